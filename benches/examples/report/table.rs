//! Tables in Markdown: one for each thing and unit that was measured, whatever its name.

use crate::data::{Data, Point, distinct};
use crate::format;

/// A table; the first column is text, the others are numbers.
pub(crate) fn markdown(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> =
        head.iter().enumerate().map(|(n, _)| if n == 0 { "---" } else { "---:" }.to_owned()).collect();
    let mut text = line(head) + &line(&rule).replace("| ---", "|---").replace(" |", "|");
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// Every group as a heading with its tables.
pub(crate) fn all(data: &Data) -> String {
    let groups = distinct(data.points().iter().map(|point| point.group.as_str()));
    groups.into_iter().map(|group| section(data, group)).collect()
}

fn section(data: &Data, group: &str) -> String {
    let mut text = format!("### {group}\n\n");
    let mut units = distinct(data.group(group).map(|point| point.unit.as_str()));
    units.sort_by_key(|unit| *unit != "ns");
    for unit in units {
        let points: Vec<&Point> = data.group(group).filter(|point| point.unit == unit).collect();
        let of_bytes = points.iter().any(|point| point.bytes.is_some());
        if unit != "ns" {
            text.push_str(&format!("In {unit}:\n\n"));
        }
        text.push_str(&table(&points, of_bytes, |point| {
            if unit == "ns" { format::time(point.value) } else { format::number(point.value) }
        }));
        text.push('\n');
        if of_bytes && unit == "ns" {
            text.push_str("The same as throughput of plaintext:\n\n");
            text.push_str(&table(&points, true, |point| {
                format::throughput(per_second(point).unwrap_or_default())
            }));
            text.push('\n');
        }
    }
    text
}

/// Bytes of plaintext a second, where the parameter is a size.
pub(crate) fn per_second(point: &Point) -> Option<f64> {
    let bytes = point.bytes.or_else(|| point.parameter.parse().ok())?;
    Some(bytes * 1e9 / point.value)
}

/// Rows are cases, columns parameters; what was not measured stays empty.
fn table(points: &[&Point], of_bytes: bool, show: impl Fn(&Point) -> String) -> String {
    let mut columns: Vec<&Point> = points.to_vec();
    columns.sort_by(|a, b| crate::data::at(&a.parameter).total_cmp(&crate::data::at(&b.parameter)));
    let columns = distinct(columns.iter().map(|point| point.parameter.as_str()));
    let name = |parameter: &&str| match parameter.parse::<f64>() {
        Ok(bytes) if of_bytes => format::size(bytes),
        Ok(number) if number.fract() == 0.0 => format::count(number),
        _ => escape(parameter),
    };
    let head: Vec<String> = std::iter::once(String::new()).chain(columns.iter().map(name)).collect();
    let rows: Vec<Vec<String>> = distinct(points.iter().map(|point| point.case.as_str()))
        .into_iter()
        .map(|case| {
            let cell = |parameter: &&str| {
                points
                    .iter()
                    .find(|point| point.case == case && point.parameter == *parameter)
                    .map_or_else(String::new, |point| show(point))
            };
            std::iter::once(escape(case)).chain(columns.iter().map(cell)).collect()
        })
        .collect();
    markdown(&head, &rows)
}

/// A name must not end its cell.
fn escape(name: &str) -> String {
    name.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::points;

    #[test]
    fn a_group_that_nobody_foresaw_has_a_table_too() {
        let mut all_points =
            points("odd", "ns", &[("b|c", "10", 5.0), ("b|c", "9", 4_000.0), ("a", "x", 1.0)]);
        all_points.extend(points("odd", "bytes", &[("a", "1000", 250.0)]));
        let text = all(&Data::new(all_points));
        let expected = "### odd\n\n|  | 9 | 10 | x |\n|---|---:|---:|---:|\n| a |  |  | 1.00 ns |\n\
                        | b\\|c | 4.00 µs | 5.00 ns |  |\n\nIn bytes:\n\n|  | 1,000 |\n|---|---:|\n| a | 250 |\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn sizes_have_a_table_of_throughput_with_the_peers_in_it() {
        let mut all_points =
            points("seal", "ns", &[("scv2", "1024", 1_024.0), ("Java JCE", "1024", 2_048.0)]);
        if let Some(first) = all_points.first_mut() {
            first.bytes = Some(1_024.0);
        }
        let text = all(&Data::new(all_points));
        assert!(text.contains("|  | 1 KiB |"), "{text}");
        assert!(text.contains("| scv2 | 1.00 GB/s |\n| Java JCE | 500 MB/s |"), "{text}");
    }
}
