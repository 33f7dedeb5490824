//! Every command and option of `scv2` that the documents print is one that it takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;
#[path = "../../docs/tests/code/mod.rs"]
mod code;

use std::collections::{HashMap, HashSet};

use cli_support::scv2;
use code::code;

const DOCUMENTS: [&str; 11] = [
    "ASSURANCE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "sc-core/docs/protocol.md",
    "sc-core/examples/firmware/README.md",
    "sc-std/docs/choosing.md",
    "sc-std/docs/comparison.md",
    "sc-std/docs/migrating.md",
    "sc-std/docs/operating.md",
    "sc-std/docs/security.md",
];

/// Options of other programs, and of builds with `danger-key-log`.
const FOREIGN: [&str; 4] = ["--key-log", "--locked", "--release", "--test"];

/// Options by command.
type Options = HashMap<String, HashSet<String>>;

/// The words of a text that look like long options.
fn options(text: &str) -> impl Iterator<Item = String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = text.split(move |c: char| !is_name(c));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(ToOwned::to_owned)
}

/// What the program says of itself.
fn known() -> Options {
    let help = |words: &[&str]| scv2(words, b"").text().to_owned();
    let all = help(&["--help"]);
    let (_, commands) = all.split_once("Commands:").unwrap();
    let names =
        commands.lines().map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("  ") });
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_whitespace().next());
    let of = |name: &str| options(&help(&[name, "--help"])).collect();
    names.filter(|name| *name != "help").map(|name| (name.to_owned(), of(name))).collect()
}

/// What a piece of code says to the program that it does not take.
fn strangers(code: &str, known: &Options) -> Vec<String> {
    let ours = |option: &String| !FOREIGN.contains(&option.as_str());
    // `scv2 call --x`, `cargo scv2 call --x`, `... --bin scv2 -- call --x`; or options alone.
    let said = code.split_once("scv2 -- ").or_else(|| code.split_once("scv2 ")).map(|(_, said)| said);
    let said = said.and_then(|said| said.split(" | ").next());
    let mut words = said.unwrap_or_default().split_whitespace();
    let name = words.next().filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    match name.filter(|name| !name.starts_with("--")) {
        Some(name) => match known.get(name.trim_end_matches(',')) {
            Some(takes) => {
                words.flat_map(options).filter(|option| ours(option) && !takes.contains(option)).collect()
            }
            None => vec![name.to_owned()],
        },
        None if code.starts_with("--") => {
            let taken = |option: &String| known.values().any(|takes| takes.contains(option));
            options(code).filter(|option| ours(option) && !taken(option)).collect()
        }
        None => Vec::new(),
    }
}

#[test]
fn every_command_and_option_in_the_documents_is_taken() {
    let known = known();
    assert_eq!(known.len(), 10, "{:?}", known.keys());
    let mut options = 0;
    for document in DOCUMENTS {
        let path = format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"));
        for code in code(&std::fs::read_to_string(path).unwrap()) {
            options += usize::from(code.contains("--"));
            let strangers = strangers(&code, &known);
            assert!(strangers.is_empty(), "{document}: `{code}`: scv2 takes no {}", strangers.join(", no "));
        }
    }
    assert!(options > 80, "only {options} were seen");
}

#[test]
fn an_option_that_is_not_taken_is_noticed() {
    let known = known();
    let text =
        "`--no-such` `scv2 serve --listen` `scv2 such`\n```sh\ncargo scv2 call \\\n --bound # x\n```\n";
    let found: Vec<_> = code(text).iter().flat_map(|code| strangers(code, &known)).collect();
    assert_eq!(found, ["--no-such", "such", "--bound"]);
    assert_eq!(
        strangers("cargo run -p sc-std --features cli --bin scv2 -- serve --path /", &known),
        ["--path"]
    );
}
