//! `scv2 serve --metrics`: the figures of the server as Prometheus text.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sc_std::server::ScRouter;
use sc_std::server::meter::BUCKETS_SECONDS;
use sc_std::store::Store;
use tokio::task::JoinHandle;

use crate::exit::{Failure, with_causes};

/// How often histograms take in what was recorded.
const UPKEEP: Duration = Duration::from_secs(5);

/// What reads the figures; nothing without `--metrics`.
pub(super) struct Figures(Option<PrometheusHandle>);

impl Figures {
    /// Installs the recorder, if it is wanted. To be called before the server is built, which registers its figures
    /// with the recorder that it finds.
    pub(super) fn install(wanted: bool) -> Result<Self, Failure> {
        if !wanted {
            return Ok(Self(None));
        }
        let failed = |error| Failure::Usage(format!("--metrics: {}", with_causes(&error)));
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS_SECONDS);
        builder.and_then(PrometheusBuilder::install_recorder).map(|handle| Self(Some(handle))).map_err(failed)
    }

    /// Adds `GET /metrics`, if it is wanted; without it there is no such route.
    pub(super) fn route<S: Store>(&self, routes: ScRouter<S>) -> ScRouter<S> {
        let Some(handle) = self.0.clone() else { return routes };
        let text = "text/plain; version=0.0.4; charset=utf-8";
        routes.exempt(
            "/metrics",
            get(move || {
                let handle = handle.clone();
                async move { ([(CONTENT_TYPE, text)], handle.render()).into_response() }
            }),
        )
    }

    /// Keeps histograms small while nobody reads them, until the task is aborted.
    pub(super) fn spawn_upkeep(self) -> Option<JoinHandle<()>> {
        let handle = self.0?;
        Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        }))
    }
}
