//! `scv2 demo`: the whole protocol at work, each step shown as it is on the wire.

mod wire;

use anstyle::{AnsiColor, Style};
use clap::Parser;
use sc_core::code::Code;
use sc_std::client::{ClientError, ScClient, SetUpWay};
use sc_std::message::{Email, ForgotPassword, ForgotPasswordAnswer};

use crate::args::{Cli, Command};
use crate::exit::{Failure, with_causes};
use crate::serve;
use wire::Recorder;

const KNOWN: &str = "alice@example.com";
const UNKNOWN: &str = "nobody@example.com";

pub(crate) async fn run() -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::Usage(with_causes(&error)))?;
    let users = folder.path().join("users.txt");
    let outbox = folder.path().join("outbox");
    std::fs::write(&users, format!("{KNOWN}\n")).map_err(|error| Failure::Usage(with_causes(&error)))?;

    let mut demo = Demo { checks: Vec::new() };
    title("Secure Channel v2: what an edge proxy sees, and what it cannot read");

    step(1, "The server makes an RSA key and listens on a free loopback port");
    let Command::Serve(args) = Cli::parse_from([
        "scv2".as_ref(),
        "serve".as_ref(),
        "--listen=127.0.0.1:0".as_ref(),
        "--users".as_ref(),
        users.as_os_str(),
        "--outbox".as_ref(),
        outbox.as_os_str(),
    ])
    .command
    else {
        return Err(Failure::Usage("the demo's own command line is wrong".to_owned()));
    };
    let running = serve::start(*args).await?;
    let url = format!("http://{}", running.address);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    say(&format!("serving {url}; {KNOWN} has an account, {UNKNOWN} has none"));
    let server = tokio::spawn(running.serve(async move {
        // Also when the demo ends early and drops its half.
        let _ = stopped.await;
    }));

    demo.sessions(&url).await?;

    step(8, "The server finishes what is under way");
    let stopped = if stop.send(()).is_ok() { server.await.ok() } else { None };
    let mails = stopped.and_then(Result::ok).map(|stats| stats.sent);
    demo.check("the server stopped in good order", mails.is_some());
    let mails = mails.unwrap_or_default();
    say(&format!("mails sent after the answers: {mails}, all of them to {KNOWN}, none to {UNKNOWN}"));
    demo.check("exactly the known address was sent mail", mails == demo.known_accepted());
    demo.summary()
}

/// What came out right so far.
struct Demo {
    checks: Vec<(String, bool)>,
}

impl Demo {
    /// Everything between the start of the server and its end.
    async fn sessions(&mut self, url: &str) -> Result<(), Failure> {
        let recorder = Recorder::new().map_err(|error| Failure::Usage(with_causes(&error)))?;
        let client = ScClient::builder(url)
            .with_client_hash("demo-device-fingerprint")
            .with_transport(recorder.clone())
            .build()
            .map_err(|error| Failure::Usage(with_causes(&error)))?;

        step(
            2,
            "The client fetches the server's key, wraps two AES-256 keys under it, and sends a sealed request",
        );
        let known = self.ask(&client, &recorder, KNOWN).await?;
        self.check("the answer for the known address opened", known.is_some());

        step(
            3,
            "The same session again, for an address without an account: no key exchange, the same answer",
        );
        let unknown = self.ask(&client, &recorder, UNKNOWN).await?;
        self.check(
            "the answer for the unknown address is the same, byte for byte",
            known == unknown && known.is_some(),
        );
        self.check("both answers have the same size on the wire", recorder.equal_answers());

        step(4, "A captured request is sent again, bit for bit");
        let replayed = recorder.replay_last().await.map_err(|error| Failure::Peer(with_causes(&error)))?;
        self.check("the replay is refused", replayed.as_deref() == Some(Code::Replayed.as_str()));

        step(5, "A second device sets up its session inline: keys and first request in one envelope");
        let inline = ScClient::builder(url)
            .with_client_hash("demo-second-device")
            .with_transport(recorder.clone())
            .with_set_up(SetUpWay::Inline)
            .build()
            .map_err(|error| Failure::Usage(with_causes(&error)))?;
        let third = self.ask(&inline, &recorder, KNOWN).await?;
        self.check("the inline request was answered", third == known);

        step(6, "The fourth request within 300 seconds");
        let refused = self.ask(&client, &recorder, KNOWN).await;
        match refused {
            Ok(None) => {
                self.check("the fourth request is refused by the rate limit, and the refusal is sealed", true)
            }
            _ => self
                .check("the fourth request is refused by the rate limit, and the refusal is sealed", false),
        }

        step(7, "Both devices close their sessions, and the server destroys the keys");
        for (device, client) in [("first", client), ("second", inline)] {
            let closed = client.close().await;
            recorder.show();
            self.check(
                &format!("the {device} device's session was closed and its keys destroyed"),
                closed.is_ok(),
            );
        }
        Ok(())
    }

    /// One forgot-password request; `None` if the rate limit refused it.
    async fn ask(
        &mut self,
        client: &ScClient,
        recorder: &Recorder,
        address: &str,
    ) -> Result<Option<ForgotPasswordAnswer>, Failure> {
        say(&format!("plaintext   {{\"email\":\"{address}\"}}"));
        let email = Email::parse(address).map_err(|error| Failure::Usage(with_causes(&error)))?;
        let answered = client.call(&ForgotPassword { email }).await;
        recorder.show();
        match answered {
            Ok(answer) => {
                opened(&serde_json::to_string(&answer).unwrap_or_default());
                Ok(Some(answer))
            }
            Err(ClientError::RateLimited { retry_after, answer }) if answer.is_sealed() => {
                opened(&String::from_utf8_lossy(answer.json()));
                if let Some(wait) = retry_after {
                    say(&format!("try again in {} s", wait.as_secs()));
                }
                Ok(None)
            }
            Err(error) => {
                self.check(&format!("a request failed: {error}"), false);
                Err(self.failed())
            }
        }
    }

    /// How many requests for the known address were accepted: the first and the inline one.
    fn known_accepted(&self) -> u64 {
        let accepted = |text: &str| self.checks.iter().any(|(check, right)| check == text && *right);
        u64::from(accepted("the answer for the known address opened"))
            + u64::from(accepted("the inline request was answered"))
    }

    fn check(&mut self, what: &str, right: bool) {
        mark(what, right);
        self.checks.push((what.to_owned(), right));
    }

    fn failed(&self) -> Failure {
        let wrong = self.checks.iter().filter(|(_, right)| !right).count();
        Failure::Refused(format!("{wrong} of {} checks did not come out right", self.checks.len()))
    }

    fn summary(&self) -> Result<(), Failure> {
        title("Summary");
        for (what, right) in &self.checks {
            mark(what, *right);
        }
        if self.checks.iter().all(|(_, right)| *right) {
            anstream::println!("\n  All {} checks came out right.", self.checks.len());
            Ok(())
        } else {
            Err(self.failed())
        }
    }
}

fn title(text: &str) {
    let style = Style::new().bold();
    anstream::println!("\n{style}{text}{style:#}");
}

fn step(number: u8, text: &str) {
    let style = AnsiColor::Blue.on_default().bold();
    anstream::println!("\n{style}{number}. {text}{style:#}");
}

fn say(text: &str) {
    anstream::println!("   {text}");
}

fn opened(json: &str) {
    let style = AnsiColor::Green.on_default();
    anstream::println!("   opened      {style}{json}{style:#}");
}

fn mark(what: &str, right: bool) {
    let (style, sign) = if right {
        (AnsiColor::Green.on_default(), "✓")
    } else {
        (AnsiColor::Red.on_default().bold(), "✗")
    };
    anstream::println!("   {style}{sign}{style:#} {what}");
}
