//! The command: which client, and for which registries.

use onetag_config::{Config, UpstreamUrl};

use super::super::args::{Client, ClientConfigArguments};
use super::super::exit::{Failure, print};
use super::super::settings;
use super::endpoint::Endpoint;
use super::output::Output;
use super::{containerd, docker, k3s, kubernetes, podman, registries};

pub(in super::super) fn client_config(arguments: &ClientConfigArguments) -> Result<(), Failure> {
    let config = settings::of_client_config(arguments)?;
    let only = arguments.registry.as_deref();
    let output = output(&config, arguments.client, arguments.address.as_ref(), only)?;
    print(&output.to_string())
}

/// What to print; `only` names one registry where not all are wanted.
pub(super) fn output(
    config: &Config,
    client: Client,
    address: Option<&UpstreamUrl>,
    only: Option<&str>,
) -> Result<Output, Failure> {
    let endpoint = Endpoint::of(config, address)?;
    let registries = registries::of(config, &endpoint, only)?;
    if !endpoint.path.is_empty() && matches!(client, Client::Docker | Client::Podman) {
        return Err(Failure::usage(format!(
            "{}: this client cannot reach a registry below a path; give onetag a host name of its own",
            endpoint.url()
        )));
    }
    Ok(match client {
        Client::Docker => docker::output(&endpoint, &registries),
        Client::Containerd => containerd::output(&endpoint, &registries),
        Client::Podman => podman::output(&endpoint, &registries),
        Client::K3s => k3s::output(&endpoint, &registries),
        Client::Kubernetes => kubernetes::output(&endpoint, &registries),
    })
}
