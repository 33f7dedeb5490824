//! Connections to Redis: pooled, multiplexed, reconnecting, each call with a deadline.
//!
//! Two pools: calls that `WAIT` for replicas block their connection, so they have connections of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use super::RedisStoreError;
use super::options::Tls;
use super::url::RedisUrl;
use crate::store::StoreError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Longest wait for one call, a reconnection among it: a stopped Redis is an answer within 5 seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections of each pool, to each node.
const CONNECTIONS: usize = 4;

/// A script and what Redis calls it.
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        Self { sha: redis::Script::new(text).get_hash().to_owned(), text }
    }

    /// A call by name, or with the whole text for a server that does not know it yet.
    fn command<K: AsRef<[u8]>>(&self, whole: bool, keys: &[K], args: &[&[u8]]) -> Cmd {
        let mut command = redis::cmd(if whole { "EVAL" } else { "EVALSHA" });
        command.arg(if whole { self.text } else { &self.sha }).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
        for arg in args {
            command.arg(*arg);
        }
        command
    }
}

/// One multiplexed connection, to a server or to all nodes of a cluster. Clones share it.
#[derive(Clone)]
enum Connection {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// Connections that take turns.
struct Pool {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

impl Pool {
    async fn open(url: &RedisUrl, tls: &Tls) -> Result<Self, RedisStoreError> {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(match url {
                RedisUrl::Single(node) => {
                    let config = ConnectionManagerConfig::new()
                        .set_connection_timeout(Some(CONNECT_TIMEOUT))
                        .set_response_timeout(Some(CALL_TIMEOUT))
                        // A caller that waits hears of a failure soon; the next one tries again.
                        .set_number_of_retries(1)
                        .set_min_delay(Duration::from_millis(50))
                        .set_max_delay(Duration::from_millis(200));
                    let client = single((**node).clone(), tls)?;
                    let connection = client.get_connection_manager_with_config(config).await;
                    Connection::Single(connection.map_err(|error| RedisStoreError::unreachable(&error))?)
                }
                RedisUrl::Cluster(nodes) => {
                    let client = cluster(nodes.clone(), tls)
                        .connection_timeout(CONNECT_TIMEOUT)
                        // Longer than anybody waits: the client would send a write again that may have been done.
                        .response_timeout(CALL_TIMEOUT * 4)
                        .overall_response_timeout(None)
                        .retries(8)
                        .min_retry_wait(20)
                        .max_retry_wait(500)
                        .build()
                        .map_err(|error| not_made(&error))?;
                    let connection = client.get_async_connection().await;
                    Connection::Cluster(connection.map_err(|error| RedisStoreError::unreachable(&error))?)
                }
            });
        }
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    fn next(&self) -> Result<Connection, RedisError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(self.connections.len()).unwrap_or_default();
        let missing = || RedisError::from((ErrorKind::Client, "no connection"));
        self.connections.get(index).cloned().ok_or_else(missing)
    }
}

/// A client of one server, which has connected to nothing yet.
fn single(node: ConnectionInfo, tls: &Tls) -> Result<redis::Client, RedisStoreError> {
    let client = match tls {
        None => redis::Client::open(node),
        #[cfg(feature = "redis-tls")]
        Some(certificates) => redis::Client::build_with_tls(node, certificates.clone()),
        #[cfg(not(feature = "redis-tls"))]
        Some(never) => match *never {},
    };
    client.map_err(|error| not_made(&error))
}

/// The beginning of a client of a cluster.
fn cluster(nodes: Vec<ConnectionInfo>, tls: &Tls) -> ClusterClientBuilder {
    let builder = ClusterClientBuilder::new(nodes);
    match tls {
        None => builder,
        #[cfg(feature = "redis-tls")]
        Some(certificates) => builder.certs(certificates.clone()),
        #[cfg(not(feature = "redis-tls"))]
        Some(never) => match *never {},
    }
}

/// Why there is no client, although nobody was asked: its certificates.
fn not_made(error: &RedisError) -> RedisStoreError {
    match error.kind() {
        ErrorKind::InvalidClientConfig => {
            RedisStoreError::Tls("a certificate or a private key is not one in PEM")
        }
        _ => RedisStoreError::unreachable(error),
    }
}

/// Why a call failed.
enum CallError {
    /// The server does not know the script: it restarted, or is another one.
    NoScript,
    /// As the caller shall hear it.
    Failed(StoreError),
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoScript => Self::Unavailable,
            CallError::Failed(error) => error,
        }
    }
}

/// The way to a server or a cluster.
pub(super) struct Link {
    prompt: Pool,
    waiting: Pool,
}

impl Link {
    pub(super) async fn open(url: &RedisUrl, tls: &Tls) -> Result<Self, RedisStoreError> {
        let opened = tokio::time::timeout(CALL_TIMEOUT * 2, async {
            Ok(Self { prompt: Pool::open(url, tls).await?, waiting: Pool::open(url, tls).await? })
        });
        match opened.await {
            Ok(opened) => opened,
            Err(_) => Err(RedisStoreError::Unreachable("it does not answer".to_owned())),
        }
    }

    /// Sends one command to the primary that holds `key`.
    pub(super) async fn call(&self, key: &str, command: Cmd) -> Result<Value, StoreError> {
        Ok(self.send(key, command).await?)
    }

    async fn send(&self, key: &str, command: Cmd) -> Result<Value, CallError> {
        within(async {
            match self.prompt.next()? {
                Connection::Single(mut connection) => connection.send_packed_command(&command).await,
                Connection::Cluster(mut connection) => {
                    let route = SingleNodeRoutingInfo::SpecificNode(primary_of(key));
                    connection.route_command(command, RoutingInfo::SingleNode(route)).await
                }
            }?
            .extract_error()
        })
        .await
    }

    /// Runs a script on the primary that holds its keys.
    pub(super) async fn run<K: AsRef<[u8]>>(
        &self,
        script: &Script,
        key: &str,
        keys: &[K],
        args: &[&[u8]],
    ) -> Result<Value, StoreError> {
        match self.send(key, script.command(false, keys, args)).await {
            Err(CallError::NoScript) => self.call(key, script.command(true, keys, args)).await,
            answer => Ok(answer?),
        }
    }

    /// Runs a script and waits until so many replicas have what this connection wrote; gives how many do, and what the
    /// same server says of its replication.
    pub(super) async fn run_and_wait<K: AsRef<[u8]>>(
        &self,
        script: &Script,
        key: &str,
        keys: &[K],
        args: &[&[u8]],
        replicas: u8,
        patience: Duration,
    ) -> Result<(Value, u8, String), StoreError> {
        match self.send_and_wait(key, script.command(false, keys, args), replicas, patience).await {
            Err(CallError::NoScript) => {
                Ok(self.send_and_wait(key, script.command(true, keys, args), replicas, patience).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn send_and_wait(
        &self,
        key: &str,
        command: Cmd,
        replicas: u8,
        patience: Duration,
    ) -> Result<(Value, u8, String), CallError> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.add_command(command);
        // In one piece with the write: both speak of its own connection and server only.
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        pipeline.cmd("WAIT").arg(replicas).arg(patience);
        pipeline.cmd("INFO").arg("replication");
        let [written, confirmed, info] = self.pipeline(key, pipeline).await?;
        let confirmed = redis::from_redis_value(confirmed).unwrap_or(0);
        Ok((written, confirmed, redis::from_redis_value(info).unwrap_or_default()))
    }

    /// What the primary that serves `key` now says of its replication.
    pub(super) async fn replication(&self, key: &str) -> Result<String, StoreError> {
        let mut pipeline = Pipeline::with_capacity(2);
        // A command with a key is sent on by a server that no longer serves it.
        pipeline.cmd("EXISTS").arg(key);
        pipeline.cmd("INFO").arg("replication");
        let [_, info] = self.pipeline(key, pipeline).await?;
        redis::from_redis_value(info).map_err(|_| StoreError::Unavailable)
    }

    /// Sends commands in one piece to the primary that holds `key`, on a connection that may wait.
    async fn pipeline<const N: usize>(&self, key: &str, pipeline: Pipeline) -> Result<[Value; N], CallError> {
        within(async {
            let answers = match self.waiting.next()? {
                Connection::Single(mut connection) => connection.send_packed_commands(&pipeline, 0, N).await,
                Connection::Cluster(mut connection) => {
                    let route = SingleNodeRoutingInfo::SpecificNode(primary_of(key));
                    connection.route_pipeline(pipeline, 0, N, route).await
                }
            }?;
            let answers: Vec<_> = answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?;
            <[Value; N]>::try_from(answers).map_err(|_| (ErrorKind::Client, "an answer is missing").into())
        })
        .await
    }
}

fn primary_of(key: &str) -> Route {
    Route::with_key(key, SlotAddr::Master)
}

/// One call with its deadline; what went wrong is told to the operator here, in words without content.
async fn within<T>(call: impl Future<Output = Result<T, RedisError>>) -> Result<T, CallError> {
    let error = match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => {
            tracing::warn!(cause = "no answer in time", "Redis call failed");
            return Err(CallError::Failed(StoreError::Unavailable));
        }
    };
    if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
        return Err(CallError::NoScript);
    }
    tracing::warn!(cause = error.category(), code = error.code(), "Redis call failed");
    let full = error.code() == Some("OOM");
    Err(CallError::Failed(if full { StoreError::Full } else { StoreError::Unavailable }))
}
