//! `scv2 doctor`: asks a live server what an attacker would ask, and says where its answers differ.

mod checks;
mod examine;
mod forge;
mod groups;
mod look;
mod peer;
mod report;
mod scene;
mod stats;
mod wire;

use std::time::Duration;

use clap::Args;
use http::HeaderName;
use sc_std::message::{ForgotPassword, Message};

use crate::args::duration;
use crate::exit::{Failure, with_causes};
use examine::Rules;
use groups::Known;
use report::Report;
use scene::Target;
use wire::Wire;

/// Sends a server what must fail, and reports every difference that would tell an attacker why
#[derive(Debug, Args)]
#[command(
    after_help = "Sent: padding failures by cause, flipped bits, wrong and closed sessions, unknown keyIds, replays, plaintext, \
unknown versions. Compared: status, headers, size, body (less its timestamp), and time.

Time is compared by ranks: every round sends each cause once, in random order. A difference is reported when it is beyond \
5 standard deviations (chance: once in 1.7 million comparisons, whatever the load) and at least --min-effect. How small a \
difference the run could have seen is shown; four times the --samples see half of it. Run it next to the server: a \
network hides microseconds, from attackers too, but they have more patience.

The server must let us ask often: scv2 serve --setup-limit 1000000/60s, and for --email-known --rate-limit 1000000/300s.
A copy of the server is the right patient: the live one would log and count all this.

Exit code 1 if something was found, 3 if the server cannot be reached, or limits us.

Examples:
  scv2 doctor --base-url http://127.0.0.1:18020
  scv2 doctor --base-url http://127.0.0.1:18020 --samples 5000 --email-known user@example.com --json"
)]
pub(crate) struct Options {
    #[command(flatten)]
    server: ServerOptions,
    /// A protected endpoint. It gets {}, sealed; by default that of forgot password, which refuses it
    #[arg(long, value_name = "PATH", default_value = ForgotPassword::PATH)]
    path: String,
    /// Timed rounds of each group
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u16).range(20..=20_000))]
    samples: u16,
    /// The smallest difference in time that is reported, as in 5us or 1ms
    #[arg(long, value_name = "TIME", default_value = "5us", value_parser = micros)]
    min_effect: f64,
    /// An address that the server knows: compared with an unknown one. It gets mails
    #[arg(long, value_name = "EMAIL")]
    email_known: Option<String>,
    /// A keyId that has expired or was revoked: compared with an unknown one
    #[arg(long, value_name = "KEYID")]
    expired_key_id: Option<String>,
    /// Sends only the groups whose name contains this, as in --only "set-ups"
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Does not compare this header; repeatable. For what a proxy adds to each answer, such as CF-Ray
    #[arg(long = "ignore-header", value_name = "NAME")]
    ignored: Vec<HeaderName>,
    /// Writes JSON
    #[arg(long)]
    json: bool,
}

/// Which server, and how to reach it.
#[derive(Debug, Args)]
struct ServerOptions {
    /// http:// or https://, a host, perhaps a port and a path prefix
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// Adds a header; repeatable
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// How long one HTTP request may take, as in 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

/// Runs the command. On one thread: what wakes another one is noise.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Usage(with_causes(&error)))?;
    let json = options.json;
    let report = runtime.block_on(ask(options))?;
    if json {
        report.write_json()?
    } else {
        report.write_table()?
    }
    match report.findings() {
        0 => Ok(()),
        1 => Err(Failure::Refused("1 finding".to_owned())),
        many => Err(Failure::Refused(format!("{many} findings"))),
    }
}

async fn ask(options: Options) -> Result<Report, Failure> {
    let wire = Wire::new(&options.server)?;
    let target = Target::fetch(&wire, &options.path).await?;
    let rules = Rules {
        samples: usize::from(options.samples),
        min_effect: options.min_effect,
        ignored: options.ignored,
    };
    let (checks, first_messages) = checks::run(&wire, &target).await?;
    let known = Known { first_messages, expired_key_id: options.expired_key_id, email: options.email_known };
    let (mut groups, skipped) = groups::all(known);
    if let Some(only) = &options.only {
        groups.retain(|group| group.name.contains(only.as_str()));
        if groups.is_empty() {
            return Err(Failure::Usage("--only names no group".to_owned()));
        }
    }
    let mut examined = Vec::new();
    for (group, number) in groups.iter().zip(1_usize..) {
        anstream::eprintln!("{number} of {}: {}", groups.len(), group.name);
        examined.push(examine::examine(&wire, &target, group, &rules).await?);
    }
    Ok(Report { samples: rules.samples, checks, groups: examined, skipped })
}

/// Reads a short time like `5us` or `1ms`, into microseconds.
fn micros(text: &str) -> Result<f64, String> {
    let wrong = || "a number and a unit: us or ms, as in 5us".to_owned();
    let (number, unit) = match text.strip_suffix("us") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix("ms").ok_or_else(wrong)?, 1000.0),
    };
    number.parse::<u32>().map(|number| f64::from(number) * unit).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_a_unit() {
        assert_eq!((micros("5us"), micros("2ms"), micros("0us")), (Ok(5.0), Ok(2000.0), Ok(0.0)));
        for bad in ["", "5", "us", "-1us", "1.5us", "5s", "5 us"] {
            assert!(micros(bad).is_err(), "{bad}");
        }
    }
}
