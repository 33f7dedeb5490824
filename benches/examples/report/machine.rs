//! The machine and the versions that the figures are of, without names or paths of it.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Crates of the libraries that the comparison is about, beside those that the benchmarks themselves take.
const OURS: [&str; 7] = ["aes-gcm", "aws-lc-rs", "axum", "criterion", "hyper", "rsa", "tokio"];
/// Dependencies of the benchmarks that are tools, not peers.
const TOOLS: [&str; 16] = [
    "crypto-bigint",
    "futures-util",
    "gungraun",
    "http",
    "pkcs1",
    "rand",
    "rand_core",
    "sc-core",
    "sc-std",
    "serde",
    "serde_json",
    "sha2",
    "spki",
    "svg",
    "tempfile",
    "tower",
];
/// What decides how fast AES-GCM can be.
const FLAGS: [&str; 6] = ["aes", "pclmulqdq", "avx2", "avx512f", "vaes", "vpclmulqdq"];

/// A list in Markdown.
pub(crate) fn describe(workspace: &Path) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let lock = fs::read_to_string(workspace.join("Cargo.lock")).unwrap_or_default();
    let lines = [
        ("Date", said("date", &["-u", "+%Y-%m-%d"])),
        ("CPU", processor(&cpu)),
        ("Cores", cores().to_string()),
        ("Kernel", said("uname", &["-sr"])),
        ("Compiler", said("rustc", &["--version"])),
        ("Crates", versions(&lock).join(", ")),
        ("Foreign peers", foreign().join(", ")),
    ];
    lines.iter().map(|(name, value)| wrapped(&format!("- {name}: {value}"))).collect()
}

/// Lines of at most 120 characters, the later ones indented as Markdown wants it for an item.
fn wrapped(item: &str) -> String {
    let mut text = String::new();
    let mut used = 0;
    for word in item.split(' ') {
        let size = word.chars().count() + 1;
        if used + size > 120 {
            text.push_str("\n ");
            used = 1;
        }
        if used > 0 {
            text.push(' ');
        }
        text.push_str(word);
        used += size;
    }
    text + "\n"
}

/// Cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first line of what a program says; nothing if it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "not there".to_owned();
    };
    // `java -version` speaks on standard error.
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

fn foreign() -> [String; 3] {
    let python = "import cryptography as c, platform as p; print(f'Python {p.python_version()}, cryptography {c.__version__}')";
    let node = format!("Node {}", said("node", &["--version"]).trim_start_matches('v'));
    [node, said("java", &["-version"]).replace('"', ""), said("python3", &["-c", python])]
}

fn processor(cpuinfo: &str) -> String {
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim())
    };
    let flags: Vec<&str> = field("flags").split(' ').filter(|flag| FLAGS.contains(flag)).collect();
    let numbers = [field("cpu family"), field("model\t"), field("stepping")].join("/");
    format!("{}, family/model/stepping {numbers}; {}", field("model name"), flags.join(" "))
}

/// `name version` of what the benchmarks compare, out of Cargo.lock.
fn versions(lock: &str) -> Vec<String> {
    let packages: Vec<Package> = lock.split("[[package]]").skip(1).map(package).collect();
    let direct = packages.iter().find(|one| one.name == "sc-benches").map(|one| one.dependencies.clone());
    let direct = direct.unwrap_or_default();
    let compared = |one: &&Package| {
        OURS.contains(&one.name) || (direct.iter().any(|name| one.is(name)) && !TOOLS.contains(&one.name))
    };
    packages.iter().filter(compared).map(|one| format!("{} {}", one.name, one.version)).collect()
}

struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// `name`, or `name version` where there are several.
    dependencies: Vec<&'a str>,
}

impl Package<'_> {
    fn is(&self, dependency: &str) -> bool {
        let (name, version) = dependency.split_once(' ').unwrap_or((dependency, self.version));
        (name, version) == (self.name, self.version)
    }
}

fn package(text: &str) -> Package<'_> {
    let mut package = Package { name: "", version: "", dependencies: Vec::new() };
    for line in text.lines() {
        let value = line.split('"').nth(1).unwrap_or_default();
        if line.starts_with("name = ") {
            package.name = value;
        } else if line.starts_with("version = ") {
            package.version = value;
        } else if line.starts_with(" \"") {
            package.dependencies.push(value);
        }
    }
    package
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_what_is_compared() {
        let lock = "version = 4\n\n[[package]]\nname = \"snow\"\nversion = \"0.10.0\"\ndependencies = [\n \"ring\",\n]\n\n\
                    [[package]]\nname = \"hpke\"\nversion = \"0.6.4\"\n\n[[package]]\nname = \"hpke\"\nversion = \"0.10.1\"\n\n\
                    [[package]]\nname = \"ring\"\nversion = \"0.17.0\"\n\n[[package]]\nname = \"rsa\"\nversion = \"0.10.0\"\n\n\
                    [[package]]\nname = \"sc-benches\"\nversion = \"0.1.0\"\ndependencies = [\n \"hpke 0.10.1\",\n \"serde\",\n \"snow\",\n]\n\n\
                    [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n";
        assert_eq!(versions(lock), ["snow 0.10.0", "hpke 0.10.1", "rsa 0.10.0"]);
    }

    #[test]
    fn a_long_item_is_wrapped() {
        let text = wrapped(&format!("- a: {}", "word ".repeat(60).trim_end()));
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")), "{text}");
        assert_eq!(text.split_whitespace().count(), 62);
    }

    #[test]
    fn of_a_processor_only_flags_that_matter_are_shown() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some CPU\nstepping\t: 2\nflags\t\t: fpu aes vaes ht\n";
        assert_eq!(processor(cpuinfo), "Some CPU, family/model/stepping 6/207/2; aes vaes");
        assert!(processor("").starts_with("unknown"));
    }

    #[test]
    fn a_program_that_is_not_there_is_said_so() {
        assert_eq!(said("no-such-program", &[]), "not there");
    }
}
