//! Looks at a server every five seconds: memory, descriptors, threads, and what its own figures say.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sc_core::replay::LedgerSlot;

use crate::board::Board;
use crate::serve::{Http, Server};
use crate::verdict::{Series, growth};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Until sessions, limits and connections come and go in equal numbers: a session's life, and a little.
const WARM_UP: Duration = Duration::from_secs(90);
/// Growth that is no leak, in KiB for a run of any length: the allocator's arenas settle, and tables double. In an hour that is
/// about 9 bytes for each request.
const ALLOWED_KIB: f64 = 4_096.0;
/// Slots of a new ledger, as in the store.
const FIRST_SLOTS: f64 = 1_024.0;
const ALLOWED_DESCRIPTORS: f64 = 16.0;
const ALLOWED_THREADS: f64 = 2.0;

/// One server that is watched.
pub struct Watch {
    name: &'static str,
    url: String,
    proc: PathBuf,
    before: Look,
    looks: Vec<(f64, Look)>,
}

/// What there is to see at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    /// Anonymous memory in KiB: what was allocated. Pages of files come and go as the machine likes.
    anonymous: f64,
    resident: f64,
    descriptors: f64,
    threads: f64,
    live: f64,
    /// Set-ups whose keys went into a ledger.
    recorded: f64,
    rotations: f64,
}

impl Look {
    async fn at(proc: &Path, url: &str, http: &Http) -> Option<Self> {
        let status = std::fs::read_to_string(proc.join("status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let reply = http.try_send("GET", &format!("{url}/metrics"), &[], Vec::new()).await.ok()?;
        let figures = String::from_utf8(reply.body.to_vec()).ok()?;
        let sum = |name: &str| -> f64 {
            let of = |line: &&str| line.starts_with(name);
            figures.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let full = "scv2_store_failures_total{kind=\"full\"}";
        Some(Self {
            anonymous: number("RssAnon")?,
            resident: number("VmRSS")?,
            threads: number("Threads")?,
            descriptors: f64::from(u32::try_from(std::fs::read_dir(proc.join("fd")).ok()?.count()).ok()?),
            live: sum("scv2_sessions_live"),
            recorded: sum("scv2_sessions_created_total") + sum(full),
            rotations: sum("scv2_key_rotations_total"),
        })
    }
}

impl Watch {
    pub async fn start(name: &'static str, server: &Server, http: &Http) -> Self {
        let (url, proc) = (server.url.clone(), server.proc());
        // The second look: the first one has brought up whatever serves it.
        Look::at(&proc, &url, http).await.unwrap();
        let before = Look::at(&proc, &url, http).await.unwrap();
        Self { name, url, proc, before, looks: Vec::new() }
    }

    async fn look(&mut self, at: Duration, http: &Http) {
        if let Some(look) = Look::at(&self.proc, &self.url, http).await {
            self.looks.push((at.as_secs_f64(), look));
        }
    }

    fn line(&self, most: f64) -> String {
        let (_, look) = self.looks.last().copied().unwrap_or_default();
        let dots = (look.resident / most * 20.0).round();
        let bar: String = (1..=20).map(|dot| if f64::from(dot) <= dots { '#' } else { '.' }).collect();
        format!(
            "{} {:.1} MiB [{bar}] fds {} threads {} sessions {} keys {}",
            self.name,
            look.resident / 1024.0,
            look.descriptors,
            look.threads,
            look.live,
            look.rotations + 1.0,
        )
    }

    /// What grew after the warm-up, and should not have.
    pub fn verdict(&self) -> Vec<String> {
        let warm: Vec<_> =
            self.looks.iter().filter(|(at, _)| *at >= WARM_UP.as_secs_f64().max(self.end() / 4.0)).collect();
        let series =
            |of: fn(&Look) -> f64| -> Series { warm.iter().map(|(at, look)| (*at, of(look))).collect() };
        let grew = |of: fn(&Look) -> f64| growth(&series(of));
        let between = |of: fn(&Look) -> f64| {
            let ends = warm.first().zip(warm.last());
            ends.map_or(0.0, |((_, first), (_, last))| of(last) - of(first))
        };
        // By design: a ledger keeps the hashes of every set-up until an hour after its RSA key has ended, at worst with
        // eight slots for three hashes, and every RSA key begins one.
        let slots =
            between(|look| look.recorded) * 2.0 * 8.0 / 3.0 + between(|look| look.rotations) * FIRST_SLOTS;
        let slot = f64::from(u32::try_from(size_of::<LedgerSlot>()).unwrap());
        let ledgers = slots * slot / 1024.0;
        let rows = [
            ("KiB of memory", grew(|look| look.anonymous), ALLOWED_KIB + ledgers),
            ("descriptors", grew(|look| look.descriptors), ALLOWED_DESCRIPTORS),
            ("threads", grew(|look| look.threads), ALLOWED_THREADS),
        ];
        let mut faults = Vec::new();
        for (what, grew, allowed) in rows {
            let verdict = format!(
                "{}: {grew:+.1} {what} from {:.0} s to {:.0} s, by {} looks; {allowed:.0} allowed",
                self.name,
                warm.first().map_or(0.0, |(at, _)| *at),
                self.end(),
                warm.len()
            );
            println!("{verdict}");
            if grew > allowed || warm.len() < 6 {
                faults.push(verdict);
            }
        }
        faults
    }

    fn end(&self) -> f64 {
        self.looks.last().map_or(0.0, |(at, _)| *at)
    }
}

/// Looks at all of them until the time is over; a line a minute.
pub async fn until(time: Duration, watches: &mut [Watch], board: &Board, http: &Http) {
    let start = Instant::now();
    let (mut looked, mut told) = (Duration::ZERO, 0);
    while start.elapsed() < time {
        let tick = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        for watch in watches.iter() {
            drop(http.try_send("GET", &format!("{}/healthz", watch.url), &[], Vec::new()).await);
        }
        board.tick(tick.elapsed());
        let now = start.elapsed();
        if now < looked + LOOK {
            continue;
        }
        looked = now;
        for watch in watches.iter_mut() {
            watch.look(now, http).await;
        }
        let minute = now.as_secs() / 60;
        if minute > told {
            told = minute;
            let all = watches.iter().flat_map(|watch| &watch.looks);
            let most = all.map(|(_, look)| look.resident).fold(1.0, f64::max);
            let lines: Vec<_> = watches.iter().map(|watch| watch.line(most)).collect();
            println!("minute {minute:2}: {}\n           {}", lines.join(" | "), board.line());
        }
    }
}

/// Waits until the load has left nothing but memory; what is left if it takes too long.
pub async fn settle(patience: Duration, watches: &[Watch], http: &Http) -> Vec<String> {
    let start = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let mut left = Vec::new();
        for watch in watches {
            let Some(look) = Look::at(&watch.proc, &watch.url, http).await else { continue };
            let Look { descriptors, threads, live, .. } = look;
            let before = watch.before;
            if descriptors > before.descriptors || threads > before.threads || live > 0.0 {
                left.push(format!(
                    "{}: {descriptors} descriptors ({} before the load), {threads} threads ({} before), {live} sessions left",
                    watch.name, before.descriptors, before.threads
                ));
            }
        }
        if left.is_empty() {
            println!(
                "after {:.0?} all descriptors, threads and sessions of the load are gone",
                start.elapsed()
            );
            return left;
        }
        if start.elapsed() > patience {
            return left;
        }
    }
}
