//! Redis behind TLS: who is trusted, and who is not.

use std::process::Command;
use std::sync::Arc;

use sc_std::store::{RedisOptions, RedisStore, RedisStoreError, RedisTls, StoreKeys, conformance};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::redis::{Cluster, Redis, free_port, until};
use crate::serve::{Files, Http};

/// An authority, and what it has signed: a server of this machine and a client.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        authority.openssl("ca", "-subj /CN=authority");
        let signed = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
        authority
            .openssl("server", &format!("-subj /CN=server -addext subjectAltName=IP:127.0.0.1 {signed}"));
        authority.openssl("client", &format!("-subj /CN=client {signed}"));
        authority
    }

    /// Makes a certificate and its key.
    fn openssl(&self, name: &str, more: &str) {
        let words =
            format!("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {name}.key -out {name}.pem {more}");
        let made = Command::new("openssl").args(words.split(' ')).current_dir(&self.0).output();
        let made = made.unwrap_or_else(|error| panic!("openssl (Debian's package of that name): {error}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(file)).unwrap()
    }

    /// Trusts this authority.
    fn trust(&self) -> RedisTls {
        RedisTls::default().with_root_certificates(self.read("ca.pem"))
    }

    fn client(&self, tls: RedisTls) -> RedisTls {
        tls.with_client_certificate(self.read("client.pem"), Zeroizing::new(self.read("client.key")))
    }

    /// A Redis with a port for TLS beside the one that the tests use, and that port's address.
    fn redis(&self, auth_clients: &str, more: &[&str]) -> (Redis, String) {
        let port = free_port().to_string();
        let (ca, cert, key) = (self.path("ca.pem"), self.path("server.pem"), self.path("server.key"));
        let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key];
        let tls = ["--tls-port", &port, "--tls-auth-clients", auth_clients];
        (Redis::start(&[&files[..], &tls, more].concat()), format!("127.0.0.1:{port}"))
    }

    /// A cluster whose nodes talk to each other by TLS too.
    fn cluster(&self) -> (Cluster, String) {
        let more = ["--cluster-enabled", "yes", "--tls-cluster", "yes", "--tls-replication", "yes"];
        let (nodes, addresses): (Vec<_>, Vec<_>) = (0..6).map(|_| self.redis("yes", &more)).unzip();
        let (ca, cert, key) = (self.path("ca.pem"), self.path("client.pem"), self.path("client.key"));
        let created = Command::new("redis-cli")
            .args(["--tls", "--cacert", &ca, "--cert", &cert, "--key", &key, "--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        let cluster = Cluster { nodes };
        until("a cluster that is whole", || cluster.is_whole());
        (cluster, format!("rediss-cluster://{}", addresses.join(",")))
    }
}

async fn open(url: &str, options: RedisOptions) -> Result<RedisStore, RedisStoreError> {
    RedisStore::open(url, StoreKeys::parse(&"7f".repeat(32)).unwrap(), options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_behind_tls_conforms() {
    let authority = Authority::new();
    let (_redis, address) = authority.redis("no", &[]);
    let store = open(&format!("rediss://{address}"), RedisOptions::default().with_tls(authority.trust()))
        .await
        .unwrap();
    conformance::check(&Arc::new(store)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_on_a_cluster_behind_tls_conforms() {
    let authority = Authority::new();
    let (_cluster, url) = authority.cluster();
    let tls = authority.client(authority.trust());
    let store = open(&url, RedisOptions::default().with_waiting_claims().with_tls(tls)).await.unwrap();
    conformance::check(&Arc::new(store)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_trusted_is_not_talked_to_and_who_shows_no_certificate_is_not_let_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_redis, address) = authority.redis("yes", &[]);
    let url = format!("rediss://{address}");
    let with = |tls| RedisOptions::default().with_tls(tls);
    assert!(open(&url, with(authority.client(authority.trust()))).await.is_ok());
    for (tls, why) in [
        // As the system's roots do, another authority does not vouch for this server.
        (authority.client(stranger.trust()), "certificate"),
        (authority.client(RedisTls::default()), ""),
        // Let in is only who shows a certificate of the authority.
        (authority.trust(), ""),
        (stranger.client(authority.trust()), ""),
    ] {
        match open(&url, with(tls)).await.err() {
            Some(RedisStoreError::Unreachable(said)) => assert!(said.contains(why), "{said}"),
            other => panic!("{other:?}"),
        }
    }
    // The certificate is for 127.0.0.1, not for that name.
    let other_name = url.replace("127.0.0.1", "localhost");
    assert!(open(&other_name, with(authority.client(authority.trust()))).await.is_err());
    let broken = RedisTls::default().with_root_certificates(b"-----BEGIN CERTIFICATE-----\nx".to_vec());
    assert!(open(&url, with(broken)).await.is_err());
    let unused = open("redis://127.0.0.1:1", with(authority.trust())).await.err();
    assert!(matches!(unused, Some(RedisStoreError::Tls(_))), "{unused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_over_a_redis_behind_tls_works_and_one_without_its_authority_does_not_start() {
    let (authority, files, http) = (Authority::new(), Files::new(), Http::new());
    let (_redis, address) = authority.redis("yes", &[]);
    let url = format!("rediss://{address}");
    let (ca, cert, key) =
        (authority.path("ca.pem"), authority.path("client.pem"), authority.path("client.key"));
    let words = ["--store-ca", &ca, "--store-client-cert", &cert, "--store-client-key", &key];
    let server = files.serve(&url, &words);
    let peer = http.session(&server).await;
    assert!(http.works(&server, &peer).await);

    let key_file = files.path("store.key");
    let start = |more: &[&str]| {
        let program = std::env::var("SCV2_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_scv2").to_owned());
        let words = ["serve", "--listen", "127.0.0.1:0", "--store-key-file", &key_file];
        let ran = Command::new(program).args(words).args(more).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, said) = start(&["--store", &url, "--store-client-cert", &cert, "--store-client-key", &key]);
    assert!(code == Some(3) && said.contains("certificate"), "{code:?} {said}");
    let (code, said) = start(&["--store", &url.replace("rediss", "redis"), "--store-ca", &ca]);
    assert!(code == Some(2) && said.contains("rediss"), "{code:?} {said}");
    let (code, said) = start(&["--store-ca", &ca]);
    assert!(code == Some(2) && said.contains("--store"), "{code:?} {said}");
}
