//! Honest clients: they set up, call, renew, close and come again, in both profiles and both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand_core::Rng;
use sc_core::retry::Repeatable;
use sc_std::client::{ClientError, ProfileChoice, ScClient, SetUpWay};
use sc_std::message::{Email, ForgotPassword, ForgotPasswordAnswer, Message};
use sc_std::rng::SystemSeeded;
use tokio::task::JoinHandle;

use crate::board::{Board, one};

/// The limit of the endpoint, for an address and for an e-mail address.
pub const LIMIT: &str = "40/10s";
/// Requests that the limit lets through in its window.
const COUNT: usize = 40;
/// Honest clients at once.
const CLIENTS: u32 = 48;
/// Accounts of the service.
const ACCOUNTS: u32 = 500;

/// The service's accounts, one a line.
pub fn users() -> String {
    (0..ACCOUNTS).map(|n| format!("user{n}@example.com\n")).collect()
}

/// What a client is like.
#[derive(Clone, Copy)]
enum Habit {
    /// Closes its session after some calls and comes again as another client.
    Comes,
    /// Stays, so that its session is renewed before it ends.
    Stays,
    /// Is silent for so long that its session is over.
    Sleeps,
    /// Asks until it is refused, and waits as it is told.
    Greedy,
}

/// Starts all of them.
pub fn start(url: &str, board: &Arc<Board>) -> Vec<JoinHandle<()>> {
    (0..CLIENTS)
        .map(|number| {
            let (url, board) = (url.to_owned(), Arc::clone(board));
            tokio::spawn(async move { live(number, &url, &board).await })
        })
        .collect()
}

fn between(low: u64, high: u64) -> u64 {
    low + SystemSeeded.next_u64() % (high - low)
}

/// A client with an address of its own.
fn client(number: u32, url: &str) -> ScClient {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let [.., a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let profile = if number.is_multiple_of(2) { ProfileChoice::Plain } else { ProfileChoice::RequireBound };
    let way = if (number / 2).is_multiple_of(2) { SetUpWay::Endpoint } else { SetUpWay::Inline };
    ScClient::builder(url)
        .with_header("CF-Connecting-IP", format!("10.{a}.{b}.{c}"))
        .with_profile(profile)
        .with_set_up(way)
        // Long: the machine may stand still for minutes.
        .with_request_timeout(Duration::from_secs(600))
        .build()
        .unwrap()
}

async fn live(number: u32, url: &str, board: &Board) {
    let habit = match number {
        0 | 1 => Habit::Greedy,
        _ => [Habit::Comes, Habit::Comes, Habit::Stays, Habit::Sleeps]
            [usize::try_from(number / 4 % 4).unwrap()],
    };
    while !board.is_stopped() {
        let client = client(number, url);
        one(&board.sessions);
        match habit {
            Habit::Comes => {
                for _ in 0..between(3, 40) {
                    call(&client, board).await;
                    board.pause(Duration::from_millis(between(200, 700))).await;
                }
                // Half of them are dropped, which closes the session too.
                if between(0, 2) == 0
                    && let Err(error) = client.close().await
                    && !board.excuses().await
                {
                    board.fault(format!("an honest close: {error}"));
                }
            }
            Habit::Stays => {
                while !board.is_stopped() {
                    call(&client, board).await;
                    board.pause(Duration::from_millis(between(200, 700))).await;
                }
            }
            Habit::Sleeps => {
                for _ in 0..10 {
                    call(&client, board).await;
                    // Not near the ten seconds after which a server closes a connection that is not used.
                    board.pause(Duration::from_secs(between(15, 45))).await;
                }
            }
            Habit::Greedy => greedy(&client, board).await,
        }
    }
}

/// An address that somebody has, or nobody.
fn address() -> Email {
    let known = between(0, 4) == 0;
    let text = if known {
        format!("user{}@example.com", between(0, ACCOUNTS.into()))
    } else {
        format!("nobody{}@example.org", SystemSeeded.next_u64())
    };
    Email::parse(&text).unwrap()
}

/// One call that must be answered as the protocol says.
async fn call(client: &ScClient, board: &Board) {
    let start = Instant::now();
    let fine = if between(0, 50) == 0 {
        // A body that breaks the rules, of up to 60 KB.
        let body = format!("{{\"other\":\"{}\"}}", "x".repeat(usize::try_from(between(0, 60_000)).unwrap()));
        let name = Some(ForgotPassword::NAME);
        let answer = client.call_json(ForgotPassword::PATH, name, body.as_bytes(), Repeatable::Yes).await;
        match answer {
            Err(ClientError::Validation { .. }) => {
                one(&board.refused);
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    } else {
        match client.call(&ForgotPassword { email: address() }).await {
            Ok(answer) if answer == ForgotPasswordAnswer::default() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    board.took(start.elapsed());
    match fine {
        Ok(()) => one(&board.honest),
        Err(what) => {
            if !board.excuses().await {
                board.fault(format!("an honest call: {what}"));
            }
        }
    }
}

/// Asks until it is refused; it must not be refused too early, nor after it has waited.
async fn greedy(client: &ScClient, board: &Board) {
    for asked in 0.. {
        match client.call(&ForgotPassword { email: address() }).await {
            Ok(_) if asked < COUNT * 2 => one(&board.honest),
            Err(ClientError::RateLimited { retry_after: Some(wait), .. }) if asked >= COUNT => {
                one(&board.refused);
                board.pause(wait).await;
                break;
            }
            other => {
                if !board.excuses().await {
                    board.fault(format!("the greedy client's request {asked}: {other:?}"));
                }
                break;
            }
        }
    }
    call(client, board).await;
    // The next one begins with an empty window.
    board.pause(Duration::from_secs(15)).await;
}
