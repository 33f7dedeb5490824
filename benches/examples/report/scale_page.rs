//! The page `SCALE.md`: what a fleet needs at three rates, with the formulas, and what breaks first.

use crate::assume::Assumptions;
use crate::data::Data;
use crate::format::{count, number, size, time};
use crate::scale::{Costs, Limit, Load, Need, SET_UPS_OF_A_KEY, limits, need, rotation};
use crate::table::markdown;

const RATES: [f64; 3] = [1e3, 1e5, 1e7];
const PER_SESSION: [f64; 3] = [1.0, 5.0, 50.0];
const BODIES: [f64; 2] = [28.0, 4_096.0];
const NOT_MEASURED: &str = "not measured";

/// The page's text around what is computed.
const HEAD: &str = include_str!("scale_head.md");
const FORMULAS: &str = include_str!("scale_formulas.md");
const TAIL: &str = include_str!("scale_tail.md");

/// The whole page.
pub(crate) fn render(data: &Data, mut assumed: Assumptions) -> String {
    let redis = data.group("redis").filter(|point| point.unit.ends_with("/s")).map(|point| point.value);
    if let Some(slowest) = redis.min_by(f64::total_cmp) {
        assumed.measured("redis-ops", slowest);
    }
    let costs = Costs::of(data);
    let mut page = HEAD.to_owned();
    page.push_str(&format!("## Measured\n\n{}\n", measured(&costs)));
    page.push_str(&format!(
        "## Assumed\n\n{}\n",
        markdown(&row(&["option", "meaning"]), &assumed.rows()).replace("---:", "---")
    ));
    page.push_str(FORMULAS);
    page.push_str("## Servers, network and cost\n\n");
    for bytes in BODIES {
        page.push_str(&format!("Bodies of {}:\n\n{}\n", size(bytes), fleet(bytes, &costs, &assumed)));
    }
    page.push_str(&format!("## Sessions and Redis\n\n{}\n", redis_table(&costs, &assumed)));
    page.push_str(&format!(
        "## What bears how much\n\nRequests a second of 28 B that each limit bears:\n\n{}\n",
        bearing(&costs, &assumed)
    ));
    page.push_str(&format!("## What breaks first\n\n{}\n", breaking(&costs, &assumed)));
    page.push_str(TAIL);
    page
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn measured(costs: &Costs) -> String {
    let show =
        |seconds: Option<f64>| seconds.map_or_else(|| NOT_MEASURED.to_owned(), |seconds| time(seconds * 1e9));
    let bytes =
        costs.session_bytes.map_or_else(|| NOT_MEASURED.to_owned(), |bytes| format!("{bytes:.0} bytes"));
    let rows = [
        ("a request and its answer of 28 B through the layer, without a socket (`layer`)", show(costs.layer)),
        ("the same with 4 KiB", show(costs.layer_4k)),
        ("socket and HTTP: a plain request of `loopback` without its part in `layer`", show(costs.http)),
        ("the server's side of a set-up, RSA-2048 (`set-up, server`)", show(costs.set_up)),
        ("a session in the memory store (`million`)", bytes),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    markdown(&row(&["of one core", ""]), &rows)
}

/// One row for each rate and count of requests in a session.
fn rows(
    bytes: f64,
    costs: &Costs,
    assumed: &Assumptions,
    cells: impl Fn(Load, Need) -> Vec<String>,
) -> Vec<Vec<String>> {
    let loads =
        RATES.iter().flat_map(|rate| PER_SESSION.map(|per_session| Load { rate: *rate, per_session, bytes }));
    loads
        .map(|load| {
            let mut row = vec![count(load.rate), count(load.per_session)];
            row.extend(cells(load, need(load, costs, assumed)));
            row
        })
        .collect()
}

fn fleet(bytes: f64, costs: &Costs, assumed: &Assumptions) -> String {
    let head = [
        "requests/s",
        "a session",
        "set-ups/s",
        "cores: layer",
        "HTTP",
        "RSA",
        "servers",
        "Gbit/s",
        "$ a month",
        "$ a million requests",
    ];
    let or_not =
        |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| NOT_MEASURED.to_owned(), show);
    let rows = rows(bytes, costs, assumed, |load, need| {
        let a_million = need.dollars_a_month.map(|dollars| dollars / (load.rate * 730.0 * 3_600.0) * 1e6);
        vec![
            number(need.set_ups),
            or_not(need.cores_layer, number),
            or_not(need.cores_http, number),
            or_not(need.cores_rsa, number),
            or_not(need.servers, count),
            number(need.gigabits),
            or_not(need.dollars_a_month, count),
            or_not(a_million, number),
        ]
    });
    markdown(&row(&head), &rows)
}

fn redis_table(costs: &Costs, assumed: &Assumptions) -> String {
    let head = [
        "requests/s",
        "a session",
        "live sessions",
        "a new RSA key every",
        "Redis GB",
        "operations/s",
        "primaries",
        "GB a server, memory store",
    ];
    let rows = rows(28.0, costs, assumed, |_, need| {
        let in_memory = need
            .servers
            .zip(costs.session_bytes)
            .map(|(servers, bytes)| need.sessions * bytes / 1e9 / servers);
        // Beyond the shortest rotation one key does not do: as many ledgers as cells.
        let cells = (need.set_ups * rotation(need.set_ups) / SET_UPS_OF_A_KEY).ceil();
        let every = format!("{} h", number(rotation(need.set_ups) / 3_600.0));
        let key = if cells > 1.0 { format!("{every}, {} cells", count(cells)) } else { every };
        vec![
            number(need.sessions),
            key,
            number(need.redis_gb),
            number(need.redis_ops),
            count(need.primaries),
            in_memory.map_or_else(|| NOT_MEASURED.to_owned(), number),
        ]
    });
    markdown(&row(&head), &rows)
}

/// Requests a second that each limit bears, and what to do beyond it.
fn bearing(costs: &Costs, assumed: &Assumptions) -> String {
    let all = PER_SESSION.map(|per_session| limits(per_session, costs, assumed));
    let head = ["limit", "1 a session", "5 a session", "50 a session", "beyond it"];
    let names = all.iter().flatten().map(|limit| (limit.name, limit.remedy));
    let rows: Vec<Vec<String>> = names
        .take(all.first().map_or(0, Vec::len))
        .map(|(name, remedy)| {
            let bears = |limits: &Vec<Limit>| {
                let bears = limits.iter().find(|limit| limit.name == name).and_then(|limit| limit.bears);
                bears.map_or_else(|| NOT_MEASURED.to_owned(), number)
            };
            let mut row = vec![name.to_owned()];
            row.extend(all.iter().map(bears));
            row.push(remedy.to_owned());
            row
        })
        .collect();
    markdown(&row(&head), &rows)
}

/// For each row: the limits that it exceeds, the first one first, and what to do about it.
fn breaking(costs: &Costs, assumed: &Assumptions) -> String {
    let head = ["requests/s", "a session", "breaks first", "what to do", "then"];
    let rows = rows(28.0, costs, assumed, |load, need| {
        let mut over: Vec<(f64, Limit)> = limits(load.per_session, costs, assumed)
            .into_iter()
            .filter_map(|limit| Some((limit.bears?, limit)))
            .filter(|(bears, _)| *bears < load.rate)
            .collect();
        over.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut over = over.into_iter();
        let Some((bears, first)) = over.next() else {
            return row(&["nothing", "", ""]);
        };
        let remedy = if first.name == "ledger, a key a day" {
            format!("`--key-rotation {}m`", count((rotation(need.set_ups) / 60.0).floor()))
        } else {
            first.remedy.to_owned()
        };
        let then: Vec<String> =
            over.map(|(bears, limit)| format!("{} ({})", limit.name, number(bears))).collect();
        vec![format!("{} ({})", first.name, number(bears)), remedy, then.join("; ")]
    });
    markdown(&row(&head), &rows).replace("---:", "---")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::points;

    fn measured_all() -> Data {
        let layer = [
            ("sealed, bound", "28", 5_000.0),
            ("sealed, bound", "4096", 8_000.0),
            ("plain JSON", "28", 900.0),
        ];
        let mut all = points("layer", "ns", &layer);
        all.extend(points("loopback", "requests/s", &[("plain JSON", "28", 60_000.0)]));
        all.extend(points("set-up, server", "ns", &[("scv2 aws-lc-rs", "2048", 1e6)]));
        all.extend(points("million", "bytes", &[("session", "1000000", 240.0)]));
        Data::new(all)
    }

    #[test]
    fn without_measurements_the_page_says_so_and_computes_no_server() {
        let page = render(&Data::default(), Assumptions::default());
        assert!(page.contains("| a session in the memory store (`million`) | not measured |"), "{page}");
        assert!(
            page.contains(
                "| 1,000 | 1 | 1,000 | not measured | not measured | not measured | not measured |"
            ),
            "{page}"
        );
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn with_measurements_every_cell_has_its_value() {
        let page = render(&measured_all(), Assumptions::default());
        assert!(!page.contains(NOT_MEASURED) && !page.contains("NaN") && !page.contains("inf"), "{page}");
        assert!(
            page.contains("| 1,000 | 1 | ledger, a key a day (97.1) | `--key-rotation 139m` |"),
            "{page}"
        );
    }

    #[test]
    fn a_measured_redis_takes_the_place_of_the_assumption() {
        let mut all = measured_all().points().to_vec();
        all.extend(points("redis", "operations/s", &[("claim", "1", 41_000.0), ("find", "1", 90_000.0)]));
        let page = render(&Data::new(all), Assumptions::default());
        assert!(
            page.contains("| `--redis-ops 41000` | operations a second of one Redis, measured (`redis`) |"),
            "{page}"
        );
    }

    #[test]
    fn a_dearer_core_costs_more() {
        let assumed = |text: &str| Assumptions::parse(text.split_whitespace().map(str::to_owned)).unwrap();
        assert_ne!(
            render(&measured_all(), assumed("")),
            render(&measured_all(), assumed("--core-hour 0.08"))
        );
    }
}
