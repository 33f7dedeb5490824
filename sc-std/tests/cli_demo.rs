//! `scv2 demo` comes out right, and the picture of it in the README shows what it prints today.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use std::collections::HashSet;

use cli_support::scv2;

/// A line without what is different each time: keys, ids, IVs, ciphertexts, tags, times, ports.
fn masked(line: &str) -> String {
    let varies = |word: &str| {
        let hex = word.len() >= 12 && word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '.'));
        hex || word.starts_with("sess_")
    };
    let words = line.split(' ').map(|word| if varies(word) { "_" } else { word });
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The lines of a picture, as text.
fn lines_of(picture: &str) -> Vec<String> {
    let lines = picture.lines().filter(|line| line.trim_start().starts_with("<tspan x="));
    let text = |line: &str| {
        let parts = line.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text));
        let text: String = parts.collect();
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    lines.map(text).filter(|line| !line.is_empty()).collect()
}

/// The lines of a picture that the program does not print.
fn strangers(picture: &str, printed: &str) -> Vec<String> {
    let printed: HashSet<_> = printed.lines().map(masked).collect();
    let is_printed = |line: &String| match line.strip_suffix('…') {
        Some(cut) => printed.iter().any(|whole| whole.starts_with(&masked(cut))),
        None => printed.contains(&masked(line)),
    };
    lines_of(picture).into_iter().filter(|line| !is_printed(line)).collect()
}

#[test]
fn the_demo_comes_out_right_and_its_picture_shows_what_it_prints() {
    let ran = scv2(&["demo"], b"");
    assert_eq!(ran.code, 0, "{} {}", ran.text(), ran.err);
    assert!(ran.text().contains("All 10 checks came out right."), "{}", ran.text());

    let picture = include_str!("../../docs/demo.svg");
    assert!(lines_of(picture).len() > 40, "the picture is not read");
    let strangers = strangers(picture, ran.text());
    assert!(
        strangers.is_empty(),
        "not printed today; `docs/examples/picture.rs` says how to draw it again:\n{}",
        strangers.join("\n")
    );
}

#[test]
fn a_picture_of_something_else_is_noticed() {
    let printed = "   IV  00112233445566778899aabb  a nonce\n   {\"a\":1,\"b\":2}\n";
    let picture = |line: &str| format!("    <tspan x=\"1px\"><tspan>{line}</tspan>\n</tspan>\n");
    for same in ["   IV  ffeeddccbbaa998877665544  a nonce", "   {&quot;a&quot;:1,…"] {
        assert!(strangers(&picture(same), printed).is_empty(), "{same}");
    }
    for other in ["   IV  ffeeddccbbaa998877665544  a number", "   {&quot;a&quot;:2,…", "   IW"] {
        assert_eq!(strangers(&picture(other), printed).len(), 1, "{other}");
    }
}
