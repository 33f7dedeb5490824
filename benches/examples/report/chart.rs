//! Line charts in SVG: a white panel, so that they are legible on a dark page too, and each line labelled at its end.

use svg::Document;
use svg::node::element::{Circle, Element, Group, Line as Stroke, Polygon, Polyline, Rectangle, Text, Title};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 580.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 520.0;
/// Each label begins with a piece of its line, from here to there.
const SAMPLE: (f64, f64) = (728.0, 756.0);
/// Between the labels at the lines' ends.
const LABEL_GAP: f64 = 19.0;
/// Okabe and Ito's palette, without its yellow, which is too light on white: told apart by colour-blind people too.
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00"];
const DASHES: [&str; 3] = ["none", "2 3", "9 3 2 3"];

pub(crate) enum Weight {
    /// What the chart is about.
    Ours,
    /// What that is held against.
    Reference,
    Other,
}

pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) weight: Weight,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The vertical axis; the horizontal one is always logarithmic, with a tick at each value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) across: String,
    pub(crate) up: String,
    pub(crate) scale: Scale,
    pub(crate) show_across: fn(f64) -> String,
    pub(crate) show_up: fn(f64) -> String,
    pub(crate) lines: Vec<Line>,
}

/// From values to places.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    scale: Scale,
}

impl Frame {
    fn of(chart: &Chart) -> Self {
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let x = range(points().map(|point| point.0.log10()));
        let y = match chart.scale {
            Scale::Log => range(points().map(|point| point.1.log10())),
            Scale::Linear => {
                let (least, most) = range(points().map(|point| point.1));
                (least.min(0.0), most.max(0.0) * 1.05)
            }
        };
        Self { x, y, scale: chart.scale }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + 14.0 + (value.log10() - self.x.0) / (self.x.1 - self.x.0) * (RIGHT - LEFT - 28.0)
    }

    fn y(&self, value: f64) -> f64 {
        let value = if self.scale == Scale::Log { value.log10() } else { value };
        BOTTOM - 12.0 - (value - self.y.0) / (self.y.1 - self.y.0) * (BOTTOM - TOP - 24.0)
    }

    /// Where lines go across the panel.
    fn rungs(&self) -> Vec<f64> {
        let (least, most) = self.y;
        match self.scale {
            Scale::Log => {
                let decades = |from: f64, to: f64| {
                    std::iter::successors(Some(from.floor()), |n| Some(n + 1.0))
                        .take_while(move |n| *n <= to.ceil())
                };
                let all: Vec<f64> = decades(least, most)
                    .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powf(decade)))
                    .filter(|value| (least - 0.05..=most + 0.05).contains(&value.log10()))
                    .collect();
                let tens = |value: &f64| (value.log10() - value.log10().round()).abs() < 1e-9;
                // Over many decades the tens alone do.
                if most - least > 2.5 { all.into_iter().filter(tens).collect() } else { all }
            }
            Scale::Linear => {
                let rough = (most - least) / 6.0;
                let ten = 10_f64.powf(rough.log10().floor());
                let step =
                    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * ten).into_iter().find(|step| *step >= rough);
                let step = step.unwrap_or(rough);
                let first = (least / step).ceil() * step;
                std::iter::successors(Some(first), |value| Some(value + step))
                    .take_while(|value| *value <= most)
                    .collect()
            }
        }
    }
}

/// Least and most; some width even for one value.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if most - least < 1e-9 { (least - 0.5, most + 0.5) } else { (least, most) }
}

impl Chart {
    /// The chart, or nothing if nothing of it was measured.
    pub(crate) fn render(&self) -> Option<String> {
        if self.lines.iter().all(|line| line.points.is_empty()) {
            return None;
        }
        let frame = Frame::of(self);
        let mut picture = Document::new()
            .set("viewBox", (0, 0, WIDTH, HEIGHT))
            .set("role", "img")
            .set("font-family", "Helvetica, Arial, sans-serif")
            .set("font-size", 13)
            .add(Title::new(&self.title))
            .add(
                Rectangle::new()
                    .set("width", WIDTH)
                    .set("height", HEIGHT)
                    .set("rx", 8)
                    .set("fill", "#FFFFFF"),
            )
            .add(text(&self.title, (LEFT, 30.0), "start").set("font-size", 17).set("font-weight", "bold"))
            .add(text(&self.across, (f64::midpoint(LEFT, RIGHT), BOTTOM + 44.0), "middle"))
            .add(
                text(&self.up, (0.0, 0.0), "middle")
                    .set("transform", format!("translate(20 {}) rotate(-90)", f64::midpoint(TOP, BOTTOM))),
            )
            .add(self.grid(&frame));
        let labels = self.labels(&frame);
        let mut lines: Vec<(usize, &Line, f64)> = self
            .lines
            .iter()
            .zip(labels)
            .enumerate()
            .map(|(index, (line, label))| (index, line, label))
            .collect();
        // What the chart is about lies on top.
        lines.sort_by_key(|(_, line, _)| matches!(line.weight, Weight::Ours));
        for line in lines {
            picture = picture.add(draw(&frame, line));
        }
        Some(format!("{picture}\n"))
    }

    fn grid(&self, frame: &Frame) -> Group {
        let rule = |from: (f64, f64), to: (f64, f64)| {
            Stroke::new()
                .set("x1", from.0)
                .set("y1", r(from.1))
                .set("x2", to.0)
                .set("y2", r(to.1))
                .set("stroke", "#DDDDDD")
        };
        let mut grid = Group::new();
        for value in frame.rungs() {
            let y = frame.y(value);
            grid = grid.add(rule((LEFT, y), (RIGHT, y)));
            grid = grid.add(text(&short(&(self.show_up)(value)), (LEFT - 8.0, y + 4.0), "end"));
        }
        let mut ticks: Vec<f64> =
            self.lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        for value in ticks {
            let x = r(frame.x(value));
            grid = grid.add(rule((x, TOP), (x, BOTTOM)));
            grid = grid.add(text(&(self.show_across)(value), (x, BOTTOM + 20.0), "middle"));
        }
        grid
    }

    /// The heights of the labels: at the lines' ends, but never one over another.
    fn labels(&self, frame: &Frame) -> Vec<f64> {
        let ends = self.lines.iter().map(|line| line.points.last().map_or(BOTTOM, |point| frame.y(point.1)));
        let mut order: Vec<(usize, f64)> = ends.enumerate().collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut least = TOP;
        for (_, y) in &mut order {
            *y = y.max(least);
            least = *y + LABEL_GAP;
        }
        let mut most = BOTTOM;
        for (_, y) in order.iter_mut().rev() {
            *y = y.min(most);
            most = *y - LABEL_GAP;
        }
        order.sort_by_key(|(index, _)| *index);
        order.into_iter().map(|(_, y)| y).collect()
    }
}

fn draw(frame: &Frame, (index, line, label_y): (usize, &Line, f64)) -> Group {
    let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or("#000000");
    let (width, dash) = match line.weight {
        Weight::Ours => (3.0, "none"),
        Weight::Reference => (1.5, "7 4"),
        Weight::Other => (1.5, DASHES.get(index / COLOURS.len() % DASHES.len()).copied().unwrap_or("none")),
    };
    let places: Vec<(f64, f64)> =
        line.points.iter().map(|point| (r(frame.x(point.0)), r(frame.y(point.1)))).collect();
    let mut group = Group::new().set("stroke", colour).set("fill", "none").set("stroke-width", width);
    let Some(end) = places.last() else { return group };
    let joined: Vec<String> = places.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let label_y = r(label_y);
    let stroke = |from: (f64, f64), to: (f64, f64)| {
        Stroke::new().set("x1", from.0).set("y1", from.1).set("x2", to.0).set("y2", to.1)
    };
    let fill = if index.is_multiple_of(2) { colour } else { "#FFFFFF" };
    group = group
        .add(Title::new(&line.label))
        .add(Polyline::new().set("points", joined.join(" ")).set("stroke-dasharray", dash))
        .add(stroke(*end, (SAMPLE.0, label_y)).set("stroke-width", 0.8).set("stroke-opacity", 0.45))
        .add(stroke((SAMPLE.0, label_y), (SAMPLE.1, label_y)).set("stroke-dasharray", dash))
        .add(mark(index, (f64::midpoint(SAMPLE.0, SAMPLE.1), label_y), fill))
        .add(
            text(&line.label, (SAMPLE.1 + 6.0, label_y + 4.0), "start")
                .set("stroke", "none")
                .set("font-weight", weight(line)),
        );
    for (x, y) in places {
        group = group.add(mark(index, (x, y), fill));
    }
    group
}

fn weight(line: &Line) -> &'static str {
    if matches!(line.weight, Weight::Ours) { "bold" } else { "normal" }
}

/// A mark whose form tells lines apart too.
fn mark(index: usize, (x, y): (f64, f64), fill: &str) -> Element {
    match index % 3 {
        0 => Circle::new().set("cx", x).set("cy", y).set("r", 3.5).set("fill", fill).into(),
        1 => Rectangle::new()
            .set("x", r(x - 3.2))
            .set("y", r(y - 3.2))
            .set("width", 6.4)
            .set("height", 6.4)
            .set("fill", fill)
            .into(),
        _ => {
            let corners = [(x, y - 4.2), (x + 4.2, y + 3.2), (x - 4.2, y + 3.2)];
            let corners = corners.map(|(x, y)| format!("{},{}", r(x), r(y))).join(" ");
            Polygon::new().set("points", corners).set("fill", fill).into()
        }
    }
}

fn text(content: &str, (x, y): (f64, f64), anchor: &str) -> Text {
    Text::new(content).set("x", r(x)).set("y", r(y)).set("text-anchor", anchor).set("fill", "#222222")
}

/// A rung is a round number: `10.0 MB/s` is `10 MB/s`.
fn short(label: &str) -> String {
    let (number, unit) = label.split_once(' ').map_or((label, None), |(number, unit)| (number, Some(unit)));
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    unit.map_or_else(|| number.to_owned(), |unit| format!("{number} {unit}"))
}

/// A tenth of a pixel is enough.
fn r(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, lines: Vec<Line>) -> Chart {
        Chart {
            title: "a < b".to_owned(),
            across: "x".to_owned(),
            up: "y".to_owned(),
            scale,
            show_across: crate::format::size,
            show_up: crate::format::throughput,
            lines,
        }
    }

    fn line(label: &str, points: &[(f64, f64)]) -> Line {
        Line { label: label.to_owned(), weight: Weight::Other, points: points.to_vec() }
    }

    #[test]
    fn without_values_there_is_no_chart() {
        assert!(chart(Scale::Log, vec![line("a", &[])]).render().is_none());
    }

    #[test]
    fn a_chart_has_its_labels_as_text_and_escapes_them() {
        let lines = vec![line("peer & co", &[(28.0, 1e6), (1_024.0, 2e9)]), line("one", &[(28.0, 1e6)])];
        let picture = chart(Scale::Log, lines).render().unwrap();
        for part in ["peer &amp; co", "a &lt; b", "1 KiB", "1 GB/s", "10 MB/s"] {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert!(!picture.contains("NaN"));
    }

    #[test]
    fn labels_of_lines_that_end_together_do_not_touch() {
        let lines = (0..12).map(|n| line(&n.to_string(), &[(28.0, 1.0), (56.0, 2.0)])).collect();
        let chart = chart(Scale::Linear, lines);
        let mut labels = chart.labels(&Frame::of(&chart));
        labels.sort_by(f64::total_cmp);
        assert!(labels.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_GAP - 1e-9), "{labels:?}");
        assert!(labels[0] >= TOP && labels[11] <= BOTTOM);
    }

    #[test]
    fn one_value_alone_can_be_drawn() {
        let picture = chart(Scale::Linear, vec![line("a", &[(1_000.0, 240.0)])]).render().unwrap();
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }
}
