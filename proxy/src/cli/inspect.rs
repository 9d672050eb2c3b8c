//! `onetag inspect`: what a pull would get, and why.

use std::sync::Arc;

use onetag_config::{Config, LogFilter};
use onetag_oci::Reference;

use crate::resolve::{Answer, Explanation, Resolver};
use crate::telemetry::{Metrics, init_logs};

use super::args::InspectArguments;
use super::exit::{Failure, print};
use super::settings;
use super::table;
use super::target::Target;

pub(super) fn inspect(arguments: &InspectArguments) -> Result<(), Failure> {
    let target = Target::parse(&arguments.reference).map_err(Failure::usage)?;
    let mut config = settings::shared(&arguments.settings)?;
    let url = target.upstream(config.upstream.url.as_ref()).map_err(Failure::usage)?;
    config.upstream.url = Some(url);
    settings::validate(&config)?;
    // The warnings are in the explanation; only what is more than a finding belongs to the log.
    config.log.level = "error".parse::<LogFilter>().map_err(Failure::usage)?;
    init_logs(&config.log).map_err(Failure::usage)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let explanation = runtime.block_on(explain(&config, &target))?;
    runtime.shutdown_background();
    tell(&explanation, arguments.json)
}

async fn explain(config: &Config, target: &Target) -> Result<Explanation, Failure> {
    let metrics = Arc::new(Metrics::new().map_err(Failure::failed)?);
    let upstream = settings::upstream(config, Arc::clone(&metrics))?;
    let resolver = Arc::new(Resolver::new(upstream, config, None, None, metrics));
    let repository = &target.repository;
    match &target.reference {
        Reference::Tag(tag) => resolver.explain(repository, tag).await,
        Reference::Digest(digest) => resolver.explain_digest(repository, digest).await,
    }
    .map_err(Failure::failed)
}

fn tell(explanation: &Explanation, json: bool) -> Result<(), Failure> {
    let text = if json {
        let text = serde_json::to_string_pretty(explanation).map_err(Failure::failed)?;
        format!("{text}\n")
    } else {
        table::explain(explanation)
    };
    print(&text)?;
    match explanation.answer {
        Answer::Withheld | Answer::Absent => Err(Failure::failed("there is nothing to pull")),
        _ if explanation.has_warnings() => Err(Failure::Findings),
        _ => Ok(()),
    }
}
