//! Draws what `scv2 demo` prints, as the picture in the README: one sealed request, and its replay.
//!
//! `CLICOLOR_FORCE=1 cargo scv2 demo | cargo run -p sc-docs --example picture > docs/demo.svg`

use std::io::{self, Read, Write};

use anstyle_svg::{Palette, Term};

/// The steps that are shown, by how they begin.
const SHOWN: [&str; 2] = ["3. ", "4. "];

/// Most characters of a line.
const LONGEST: usize = 104;

/// Foreground, background, and the colours that the program uses, readable on a light page and on a dark one.
const TEXT: (u8, u8, u8) = (0xd6, 0xdd, 0xe6);
const GROUND: (u8, u8, u8) = (0x14, 0x1a, 0x24);
const RED: (u8, u8, u8) = (0xff, 0x7b, 0x72);
const GREEN: (u8, u8, u8) = (0x56, 0xd3, 0x64);
const BLUE: (u8, u8, u8) = (0x79, 0xb8, 0xff);

fn main() -> io::Result<()> {
    let mut printed = String::new();
    io::stdin().read_to_string(&mut printed)?;
    io::stdout().write_all(scalable(&terminal().render_svg(&excerpt(&printed))).as_bytes())
}

/// With a view box, so that a page may show it smaller.
fn scalable(picture: &str) -> String {
    let size =
        |name: &str| picture.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once("px\""));
    match (size("width"), size("height")) {
        (Some((width, _)), Some((height, _))) => {
            picture.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1)
        }
        _ => picture.to_owned(),
    }
}

fn terminal() -> Term {
    let colour = |(red, green, blue): (u8, u8, u8)| (red, green, blue).into();
    let [text, ground, red, green, blue] = [TEXT, GROUND, RED, GREEN, BLUE].map(colour);
    // Black, red, green, yellow, blue, magenta, cyan, white; the bright ones the same.
    let eight = [ground, red, green, text, blue, text, blue, text];
    let mut sixteen = [text; 16];
    for (place, colour) in sixteen.iter_mut().zip(eight.into_iter().chain(eight)) {
        *place = colour;
    }
    Term::new().palette(Palette(sixteen)).fg_color(text.into()).bg_color(ground.into()).min_width_px(0)
}

/// The title, and the steps that are shown.
fn excerpt(printed: &str) -> String {
    let mut shown = true;
    let mut lines = Vec::new();
    for line in printed.trim_start().lines() {
        let text = plain(line);
        let is_step = text.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        if is_step || text == "Summary" {
            shown = SHOWN.iter().any(|step| text.starts_with(step));
        }
        if shown {
            lines.push(cut(line));
        }
    }
    lines.join("\n").trim_end().to_owned()
}

/// A long line is cut; those that have colours are short.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) if !line.contains('\u{1b}') => format!("{}…", line.get(..at).unwrap_or(line)),
        _ => line.to_owned(),
    }
}

/// A line without its escape sequences, which all end with `m` here.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}
