//! Where Redis is: `redis://HOST:PORT[/DB]` or `redis-cluster://HOST:PORT[,HOST:PORT...]`; `rediss` in the place of `redis` is
//! TLS.

#[cfg(any(feature = "redis-tls", test))]
use redis::ConnectionAddr;
use redis::{ConnectionInfo, IntoConnectionInfo};

use super::RedisStoreError;

/// A checked address. It may hold a password, so it has no Debug.
#[derive(Clone)]
pub(super) enum RedisUrl {
    /// One server.
    Single(Box<ConnectionInfo>),
    /// Some nodes of a cluster, which name the others.
    Cluster(Vec<ConnectionInfo>),
}

impl RedisUrl {
    /// Reads an address. `USER:PASSWORD@` may stand before the first host; in a cluster it holds for all nodes.
    pub(super) fn parse(text: &str) -> Result<Self, RedisStoreError> {
        // Behind it the library looks for an order to verify no certificate.
        if text.contains('#') {
            return Err(RedisStoreError::Url("it has no fragment"));
        }
        let tls = text.starts_with("rediss");
        if tls && !cfg!(feature = "redis-tls") {
            return Err(RedisStoreError::Url("TLS needs the feature redis-tls"));
        }
        let nodes = text.strip_prefix(if tls { "rediss-cluster://" } else { "redis-cluster://" });
        if let Some(nodes) = nodes {
            let (login, nodes) = match nodes.rsplit_once('@') {
                Some((login, nodes)) => (format!("{login}@"), nodes),
                None => (String::new(), nodes),
            };
            if nodes.contains('/') {
                return Err(RedisStoreError::Url("a cluster has no database numbers"));
            }
            let scheme = if tls { "rediss" } else { "redis" };
            let nodes = nodes.split(',').map(|node| read(&format!("{scheme}://{login}{node}")));
            return nodes.collect::<Result<_, _>>().map(Self::Cluster);
        }
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return read(text).map(Box::new).map(Self::Single);
        }
        Err(RedisStoreError::Url("it begins with redis://, rediss://, redis-cluster:// or rediss-cluster://"))
    }

    /// Whether it is to be reached by TLS.
    #[cfg(any(feature = "redis-tls", test))]
    pub(super) fn is_tls(&self) -> bool {
        let nodes = match self {
            Self::Single(node) => std::slice::from_ref(&**node),
            Self::Cluster(nodes) => nodes.as_slice(),
        };
        nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }))
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

fn read(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    // The client's own error could repeat the password.
    let place = url.split_once("://").map_or("", |(_, place)| place);
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    if host.is_empty() {
        return Err(RedisStoreError::Url("a host is missing"));
    }
    url.into_connection_info().map_err(|_| RedisStoreError::Url("it is not redis://HOST:PORT[/DB]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_clusters_are_read() {
        for (text, nodes) in [
            ("redis://127.0.0.1:6379", 0),
            ("redis://127.0.0.1:6379/3", 0),
            ("redis://user:pa%40ss@redis.example:6379", 0),
            ("redis-cluster://127.0.0.1:7000", 1),
            ("redis-cluster://user:pass@127.0.0.1:7000,127.0.0.1:7001,node:7002", 3),
        ] {
            match RedisUrl::parse(text) {
                Ok(RedisUrl::Single(_)) => assert_eq!(nodes, 0, "{text}"),
                Ok(RedisUrl::Cluster(found)) => assert_eq!(found.len(), nodes, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
            let secure = text.replacen("redis", "rediss", 1);
            match RedisUrl::parse(&secure) {
                Ok(url) if cfg!(feature = "redis-tls") => assert!(url.is_tls(), "{secure}"),
                Err(RedisStoreError::Url(reason)) if !cfg!(feature = "redis-tls") => {
                    assert!(reason.contains("redis-tls"), "{secure}");
                }
                other => panic!("{secure}: {:?}", other.err()),
            }
            assert!(!RedisUrl::parse(text).unwrap_or_else(|error| panic!("{error}")).is_tls());
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_a_password() {
        for text in [
            "",
            "redis",
            "http://127.0.0.1",
            "redis://",
            "redis://user:secret@",
            "redis://user:secret@127.0.0.1:notaport",
            "redis://user:secret@127.0.0.1:6379/notadb",
            "redis-cluster://",
            "redis-cluster://user:secret@127.0.0.1:7000,",
            "redis-cluster://127.0.0.1:7000/3",
            "rediss://",
            "rediss://user:secret@",
            "rediss://user:secret@127.0.0.1:6379#insecure",
            "redis://user:secret@127.0.0.1:6379#insecure",
            "rediss-cluster://user:secret@127.0.0.1:7000#insecure",
            "redisss://user:secret@127.0.0.1",
        ] {
            let error = RedisUrl::parse(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
