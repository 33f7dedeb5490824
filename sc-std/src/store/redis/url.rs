//! Where Redis is: `redis://HOST:PORT[/DB]` or `redis-cluster://HOST:PORT[,HOST:PORT...]`.

use redis::{ConnectionInfo, IntoConnectionInfo};

use super::RedisStoreError;

/// A checked address. It may hold a password, so it has no Debug.
#[derive(Clone)]
pub(super) enum RedisUrl {
    /// One server.
    Single(ConnectionInfo),
    /// Some nodes of a cluster, which name the others.
    Cluster(Vec<ConnectionInfo>),
}

impl RedisUrl {
    /// Reads an address. `USER:PASSWORD@` may stand before the first host; in a cluster it holds for all nodes.
    pub(super) fn parse(text: &str) -> Result<Self, RedisStoreError> {
        if let Some(nodes) = text.strip_prefix("redis-cluster://") {
            let (login, nodes) = match nodes.rsplit_once('@') {
                Some((login, nodes)) => (format!("{login}@"), nodes),
                None => (String::new(), nodes),
            };
            if nodes.contains('/') {
                return Err(RedisStoreError::Url("a cluster has no database numbers"));
            }
            let nodes = nodes.split(',').map(|node| read(&format!("redis://{login}{node}")));
            return nodes.collect::<Result<_, _>>().map(Self::Cluster);
        }
        if text.starts_with("redis://") {
            return read(text).map(Self::Single);
        }
        Err(RedisStoreError::Url("it begins with redis:// or redis-cluster://"))
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

fn read(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    // The client's own error could repeat the password.
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    if host.trim_start_matches("redis://").is_empty() {
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
        ] {
            let error = RedisUrl::parse(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
