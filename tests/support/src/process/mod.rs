//! Programs under test and beside it: started, watched, always stopped.

mod child;
mod docker_registry;
mod onetag;
mod require;
mod run;

pub use docker_registry::DockerRegistry;
pub use onetag::Onetag;
pub use require::require;
pub use run::run;

#[cfg(test)]
mod tests;
