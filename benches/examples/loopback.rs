//! Requests a second over loopback: an axum handler in plain JSON, and the same behind the channel.
//!
//! Each server runs on one thread of its own, and one client keeps 16 connections of it busy, so that the server is the
//! one that is waited for. Requests are sealed beforehand: a client's own work is not a server's cost. The two servers
//! take turns, so that what else the machine does disturbs both alike; what counts is the median of the ratios of all turns.
//!
//! `cargo run --release -p sc-benches --example loopback -- [TURNS]`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should say so at once")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use axum::Router;
use sc_benches::figures::Figures;
use sc_benches::pair::{DEVICE, PATH, Text, connect, plain, seal, sealed};
use sc_benches::turns::{compare, median};
use sc_core::client::ProfileChoice;
use sc_core::session::{Pending, Session};
use sc_std::provider::AwsLc;

const CONNECTIONS: usize = 16;
/// Requests of one connection in one turn. With these turns a session stays below the 65,536 it may send.
const REQUESTS: usize = 1_000;
const TURNS: usize = 31;

/// One connection, and what it has to send.
struct Connection<'s> {
    stream: BufReader<TcpStream>,
    session: Option<&'s Session<AwsLc>>,
    requests: Vec<Vec<u8>>,
    /// Opens the answer to the last request of a turn.
    last: Option<Pending<'s, AwsLc>>,
    answer: Vec<u8>,
}

impl<'s> Connection<'s> {
    fn new(address: SocketAddr, session: Option<&'s Session<AwsLc>>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let (requests, answer) = (Vec::new(), Vec::new());
        Self { stream: BufReader::new(stream), session, requests, last: None, answer }
    }

    /// Writes the requests of one turn, before the clock runs.
    fn prepare(&mut self, json: &[u8]) {
        self.requests.clear();
        for _ in 0..REQUESTS {
            let (headers, body) = match self.session {
                None => ("content-type: application/json\r\n".to_owned(), json.to_vec()),
                Some(session) => {
                    let (envelope, pending) = seal(session, json);
                    self.last = Some(pending);
                    let id = *session.id();
                    let headers = format!(
                        "content-type: application/octet-stream\r\nx-client-hash: {DEVICE}\r\nx-sc-version: 2\r\n\
                         x-sc-session-id: {id}\r\n"
                    );
                    (headers, envelope)
                }
            };
            let len = body.len();
            let head =
                format!("POST {PATH} HTTP/1.1\r\nhost: loopback\r\n{headers}content-length: {len}\r\n\r\n");
            self.requests.push([head.into_bytes(), body].concat());
        }
    }

    fn send(&mut self, turn: usize) {
        self.stream.get_mut().write_all(self.requests.get(turn).unwrap()).unwrap();
    }

    fn receive(&mut self) {
        let (mut line, mut len) = (String::new(), 0);
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
        }
        self.answer.resize(len, 0);
        self.stream.read_exact(&mut self.answer).unwrap();
    }

    /// Whether the last answer is what was sent.
    fn check(&mut self, json: &[u8]) {
        let answer = match self.last.take() {
            None => self.answer.as_slice(),
            Some(pending) => pending.open(&mut self.answer).unwrap(),
        };
        assert_eq!(answer, json);
    }
}

/// Serves on a free port, on a thread of its own, as axum does.
fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        });
    });
    address
}

/// Requests a second of one turn.
fn turn(connections: &mut [Connection<'_>], json: &[u8]) -> f64 {
    connections.iter_mut().for_each(|connection| connection.prepare(json));
    let start = Instant::now();
    for request in 0..REQUESTS {
        connections.iter_mut().for_each(|connection| connection.send(request));
        connections.iter_mut().for_each(Connection::receive);
    }
    let seconds = start.elapsed().as_secs_f64();
    connections.iter_mut().for_each(|connection| connection.check(json));
    f64::from(u32::try_from(CONNECTIONS * REQUESTS).unwrap()) / seconds
}

fn main() {
    let turns = std::env::args().nth(1).map_or(TURNS, |turns| turns.parse().unwrap());
    let mut figures = Figures::create("loopback").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let app = sealed();
    let addresses = [serve(plain()), serve(app.clone())];
    for len in [28, 4_096] {
        let json = Text::json(len);
        let (mut medians, mut ratios) = (Vec::new(), Vec::new());
        for (case, profile) in
            [("sealed, plain profile", ProfileChoice::Plain), ("sealed, bound", ProfileChoice::RequireBound)]
        {
            let sessions: Vec<_> =
                (0..CONNECTIONS).map(|_| runtime.block_on(connect(&app, profile))).collect();
            let open = |address, session| Connection::new(address, session);
            let mut plain: Vec<_> = (0..CONNECTIONS).map(|_| open(addresses[0], None)).collect();
            let mut sealed: Vec<_> =
                sessions.iter().map(|session| open(addresses[1], Some(session))).collect();
            let compared = compare(turns, || turn(&mut plain, &json), || turn(&mut sealed, &json));
            let (plain, sealed) = (compared.first, compared.second());
            println!(
                "{len:5} bytes: plain JSON {plain:7.0}/s, {case} {sealed:7.0}/s, ratio {:.3}",
                compared.ratio
            );
            ratios.push((case, compared.ratio));
            medians.push(plain);
        }
        let plain = median(&mut medians);
        figures.add("plain JSON", &len.to_string(), plain, "requests/s").unwrap();
        for (case, ratio) in ratios {
            figures.add(case, &len.to_string(), ratio * plain, "requests/s").unwrap();
        }
    }
}
