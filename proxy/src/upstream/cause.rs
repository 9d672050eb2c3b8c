//! Errors of the libraries below, as one line.

use std::error::Error;
use std::fmt;
use std::io;

use hyper_util::client::legacy;

/// An error and its sources, printed as one line.
#[derive(Debug)]
pub struct Cause(Box<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl Cause {
    pub(super) fn from_box(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }

    /// The first error of type `E` in the chain.
    pub(super) fn find<E: Error + 'static>(&self) -> Option<&E> {
        chain(&*self.0).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Cause {
    /// The texts of the chain; one that the line already ends in is not said again, and the HTTP client's
    /// only repeats what the kind of the error says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        let causes = chain(&*self.0).filter(|error| !error.is::<legacy::Error>());
        for text in causes.map(ToString::to_string) {
            if !said.ends_with(&text) {
                let colon = if said.is_empty() { "" } else { ": " };
                write!(f, "{colon}{text}")?;
                said.push_str(&text);
            }
        }
        Ok(())
    }
}

/// An error, then its sources. `io::Error` hides the error that it wraps and names that one's source.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        }
    })
}
