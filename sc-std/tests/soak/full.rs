//! A small store that is always full: new sessions are refused or let in as others end, and none that lives is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::board::{Board, one};
use crate::serve::Http;
use crate::server_support::FORGOT;
use crate::strangers::session;

/// Starts a resident, then the flood.
pub async fn start(url: &str, board: &Arc<Board>) -> Vec<JoinHandle<()>> {
    let (url, http): (Arc<str>, _) = (url.into(), Http::new());
    let peer = session(&http, &url, "10.0.0.1").await.unwrap();
    let (flooded, watched) = (Arc::clone(board), Arc::clone(board));
    let target = Arc::clone(&url);
    let resident = tokio::spawn(async move {
        while !watched.is_stopped() {
            let path = format!("{url}{FORGOT}");
            let headers = [("x-sc-session-id", peer.session.as_str())];
            let reply = http.try_send("POST", &path, &headers, peer.seal(b"{}")).await;
            let answered = reply.as_ref().is_ok_and(|reply| reply.is_sealed());
            if !answered && !watched.excuses().await {
                watched.fault(format!("a session that lived in a full store: {reply:?}"));
                return;
            }
            watched.pause(Duration::from_secs(2)).await;
        }
    });
    let flood = tokio::spawn(async move {
        let http = Http::new();
        while !flooded.is_stopped() {
            match session(&http, &target, "10.0.0.2").await {
                Ok(peer) => {
                    one(&flooded.squeezed_in);
                    // Used once, so that it ends soon when it is left alone.
                    let path = format!("{target}{FORGOT}");
                    let headers = [("x-sc-session-id", peer.session.as_str())];
                    drop(http.try_send("POST", &path, &headers, peer.seal(b"{}")).await);
                }
                Err(503) => one(&flooded.full),
                Err(status) => {
                    if !flooded.excuses().await {
                        flooded.fault(format!("a set-up in a full store: status {status}"));
                    }
                }
            }
            flooded.pause(Duration::from_millis(250)).await;
        }
    });
    vec![resident, flood]
}
