//! Programs under test and beside it: started, watched, always stopped.

mod child;
mod docker_registry;
mod docker_settings;
mod onetag;
mod require;
mod run;

pub use docker_registry::DockerRegistry;
pub use docker_settings::DockerRegistryBuilder;
pub use onetag::Onetag;
pub use require::require;
pub use run::run;

#[cfg(test)]
mod tests;
