//! The real program as a server, and a client that does what an honest one never does.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use sc_std::clock::parse_rfc3339;
use serde_json::{Value, json};

use crate::server_support::{CLOSE, DEVICE, FORGOT, PUBLIC_KEY, Peer, Reply, SESSION};

/// The address that users of these tests have.
pub const KNOWN: &str = "user@example.com";

/// How long a server that is busy is asked again, and after what pause each time.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

/// What servers of one fleet share besides Redis.
pub struct Files {
    pub folder: tempfile::TempDir,
}

impl Files {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("store.key"), "7f".repeat(32)).unwrap();
        std::fs::write(folder.path().join("users"), format!("{KNOWN}\n")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server over Redis.
    pub fn serve(&self, store: &str, more: &[&str]) -> Server {
        let key = self.path("store.key");
        let words = ["--store", store, "--store-key-file", &key];
        self.serve_with(&[words.as_slice(), more].concat())
    }

    pub fn serve_with(&self, more: &[&str]) -> Server {
        let (users, outbox) = (self.path("users"), self.path("outbox"));
        let words = ["--listen", "127.0.0.1:0", "--users", &users, "--outbox", &outbox];
        Server::start(&[words.as_slice(), more].concat(), &self.folder.path().join("log"))
    }

    /// What the servers have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Mails in the outbox.
    pub fn mails(&self) -> usize {
        let Ok(files) = std::fs::read_dir(self.folder.path().join("outbox")) else { return 0 };
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "eml")).count()
    }
}

impl Drop for Files {
    /// Shows what the servers of a test that fails have logged: their folder goes now.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the servers' log:\n{}", self.log());
        }
    }
}

/// A running `scv2 serve`; killed on drop.
pub struct Server {
    pub url: String,
    child: Child,
}

impl Server {
    fn start(words: &[&str], log: &Path) -> Self {
        // A program that was built with optimization, if there is one, for tests under load.
        let program = std::env::var("SCV2_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_scv2").to_owned());
        let mut child = Command::new(program)
            .arg("serve")
            .args(words)
            // Where a core dump would go.
            .current_dir(log.parent().unwrap())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{words:?} said {line:?}"));
        Self { url: url.to_owned(), child }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to finish, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM")
    }

    /// Sends it a signal that ends it, and waits until it has ended.
    pub fn signal(&mut self, name: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// Where the kernel tells about the process.
    pub fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }

    /// A number of its `status`, for example KiB of memory.
    pub fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Memory in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client over HTTP.
#[derive(Clone)]
pub struct Http(reqwest::Client);

impl Http {
    pub fn new() -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20));
        Self(client.build().unwrap())
    }

    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.try_send(method, url, headers, body).await.unwrap()
    }

    pub async fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Result<Reply> {
        let method = method.parse().unwrap();
        let mut request = self.0.request(method, url).header("x-client-hash", DEVICE).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await? })
    }

    pub async fn post(&self, server: &Server, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.send("POST", &format!("{}{path}", server.url), headers, body).await
    }

    /// What a server publishes of its key.
    pub async fn public_key(&self, server: &Server) -> Value {
        let reply = self.send("GET", &format!("{}{PUBLIC_KEY}", server.url), &[], Vec::new()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["data"].clone()
    }

    /// A peer with new keys, wrapped under the published one.
    pub async fn peer(&self, server: &Server) -> Peer {
        let key = self.public_key(server).await;
        assert!(parse_rfc3339(key["createdAt"].as_str().unwrap()).is_some());
        let spki = Base64::decode_vec(key["publicKey"].as_str().unwrap()).unwrap();
        Peer::of_key(key["keyId"].as_str().unwrap(), &spki)
    }

    /// A peer whose session is set up. As an honest client it comes again when the server is busy, for 20 seconds.
    pub async fn session(&self, server: &Server) -> Peer {
        let start = Instant::now();
        let (mut peer, reply) = loop {
            let peer = self.peer(server).await;
            let reply = self.post(server, SESSION, &[], peer.set_up()).await;
            if reply.status != 503 || start.elapsed() > PATIENCE {
                break (peer, reply);
            }
            eprintln!("a set-up was refused: {:?}", reply.refusal());
            tokio::time::sleep(PAUSE).await;
        };
        assert_eq!(reply.status, 200, "{}", reply.json());
        reply.json()["data"]["sessionId"].as_str().unwrap().clone_into(&mut peer.session);
        peer
    }

    /// Sends an envelope to forgot-password.
    pub async fn forgot(&self, server: &Server, peer: &Peer, envelope: Vec<u8>) -> Reply {
        self.post(server, FORGOT, &[("x-sc-session-id", &peer.session)], envelope).await
    }

    /// The status of an opened answer of forgot-password for an address.
    pub async fn ask(&self, server: &Server, peer: &Peer, email: &str) -> u16 {
        let reply = self.forgot(server, peer, peer.seal(&body(email))).await;
        let opened: Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
        assert_eq!(opened["success"], reply.status == 200);
        reply.status
    }

    /// Whether a server opens what a peer seals: an answer about a body that is not one comes back sealed. Asks anew, by another
    /// message, while the server is busy, for 20 seconds.
    pub async fn works(&self, server: &Server, peer: &Peer) -> bool {
        let start = Instant::now();
        loop {
            let reply = self.forgot(server, peer, peer.seal(b"{}")).await;
            if reply.status != 503 || start.elapsed() > PATIENCE {
                return reply.is_sealed();
            }
            eprintln!("a message was refused: {:?}", reply.refusal());
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub async fn close(&self, server: &Server, peer: &Peer) -> u16 {
        self.post(server, CLOSE, &[("x-sc-session-id", &peer.session)], Vec::new()).await.status
    }
}

/// The body of forgot-password.
pub fn body(email: &str) -> Vec<u8> {
    json!({ "email": email }).to_string().into_bytes()
}
