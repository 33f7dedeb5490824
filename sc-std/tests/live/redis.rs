//! Redis servers and clusters of one's own, on loopback, in folders that go with them.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything of Redis may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port whose bus port, 10,000 higher, is free too and below the range that systems hand out.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 11_000;
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One `redis-server`; killed on drop.
pub struct Redis {
    port: u16,
    folder: TempDir,
    more: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    pub fn start(more: &[&str]) -> Self {
        let more = more.iter().map(|word| (*word).to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { port: free_port(), folder, more, child: None };
        redis.restart();
        redis
    }

    pub fn restart(&mut self) {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", self.folder.path().to_str().unwrap(), "--save", "", "--logfile", "log"])
            .args(["--repl-diskless-sync-delay", "0"])
            .args(&self.more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server (Debian's package of that name): {error}"));
        self.child = Some(child);
        until("a PONG of Redis", || self.cli(&["ping"]).trim() == "PONG");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `STOP` and `CONT`: there, but silent.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Whether a replica confirms a write, as it may do only a second after it has synced.
    fn is_confirmed(&self) -> bool {
        // Some of these keys are this node's. WAIT confirms at once what nobody has written.
        let sets: String = (0..30).map(|n| format!("SET probe{n} x PX 100\n")).collect();
        let mut cli = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        cli.stdin.take().unwrap().write_all(format!("{sets}WAIT 1 2000\n").as_bytes()).unwrap();
        let said = cli.wait_with_output().unwrap().stdout;
        String::from_utf8_lossy(&said).trim_end().ends_with("\n1")
    }

    pub fn cli(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Everything it holds, as it would lie on a disk: uncompressed, so that a search finds what is there.
    pub fn dump(&self) -> Vec<u8> {
        self.cli(&["config", "set", "rdbcompression", "no"]);
        assert_eq!(self.cli(&["save"]).trim(), "OK");
        std::fs::read(self.folder.path().join("dump.rdb")).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three primaries with a replica each.
pub struct Cluster {
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// One whose nodes take each other for dead as late as Redis does by itself, so not when a machine under load
    /// stands still for a second.
    pub fn start() -> Self {
        Self::start_with_timeout("15000")
    }

    /// One in which a replica takes over soon.
    pub fn start_hasty() -> Self {
        Self::start_with_timeout("1000")
    }

    fn start_with_timeout(milliseconds: &str) -> Self {
        let more = ["--cluster-enabled", "yes", "--cluster-node-timeout", milliseconds];
        let nodes: Vec<_> = (0..6).map(|_| Redis::start(&more)).collect();
        let addresses: Vec<_> = nodes.iter().map(Redis::address).collect();
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        let cluster = Self { nodes };
        until("a cluster that is whole", || cluster.is_whole());
        cluster
    }

    /// Every node knows a working cluster, every replica follows its primary, and confirms what is written there.
    pub fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| {
            let info = node.cli(&["cluster", "info"]);
            let replication = node.cli(&["info", "replication"]);
            let follows = replication.contains("master_link_status:up");
            let confirms = || replication.contains("state=online") && node.is_confirmed();
            info.contains("cluster_state:ok")
                && info.contains("cluster_known_nodes:6")
                && (follows || confirms())
        })
    }

    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Redis::address).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// Some primary that is alive.
    pub fn a_primary(&mut self) -> &mut Redis {
        let primary = self.nodes.iter_mut().find(|node| node.cli(&["role"]).starts_with("master"));
        primary.unwrap()
    }

    pub fn dump(&self) -> Vec<u8> {
        let primaries = self.nodes.iter().filter(|node| node.cli(&["role"]).starts_with("master"));
        primaries.flat_map(Redis::dump).collect()
    }
}
