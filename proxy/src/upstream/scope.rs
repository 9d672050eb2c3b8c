//! What a token is for (the distribution project's specification of token scopes).

use onetag_oci::Repository;

/// What a request does with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actions {
    /// It reads.
    Pull,
    /// It writes, and may read what it writes on.
    Push,
    /// It removes.
    Delete,
}

/// What a token is asked for. A token for one scope is never used for another, even where it would do: who
/// reads is not to hold the right to write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Nothing: the token says no more than whose it is.
    Account,
    /// The list of all repositories.
    Catalog,
    /// Work on a repository.
    Repository {
        repository: Repository,
        actions: Actions,
        /// Another repository that a blob is mounted from: it is read.
        from: Option<Repository>,
    },
}

impl Scope {
    /// To read from a repository.
    pub(super) fn pull(repository: &Repository) -> Self {
        Self::Repository { repository: repository.clone(), actions: Actions::Pull, from: None }
    }

    /// The scope in the words of a token server; each is a value of its own.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Account => Vec::new(),
            Self::Catalog => vec!["registry:catalog:*".to_owned()],
            Self::Repository { repository, actions, from } => {
                let own = format!("repository:{repository}:{}", actions.words());
                let mounted = from.iter().map(|from| format!("repository:{from}:pull"));
                std::iter::once(own).chain(mounted).collect()
            }
        }
    }
}

impl Actions {
    fn words(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_said_in_the_words_of_a_token_server() {
        let repository: Repository = "team/app".parse().unwrap();
        let with = |actions, from: Option<&str>| {
            let from = from.map(|name| name.parse().unwrap());
            Scope::Repository { repository: repository.clone(), actions, from }.words()
        };
        assert_eq!(with(Actions::Pull, None), ["repository:team/app:pull"]);
        assert_eq!(with(Actions::Delete, None), ["repository:team/app:delete"]);
        let mount = ["repository:team/app:pull,push", "repository:team/base:pull"];
        assert_eq!(with(Actions::Push, Some("team/base")), mount);
        assert_eq!(Scope::Catalog.words(), ["registry:catalog:*"]);
        assert_eq!(Scope::Account.words(), [""; 0]);
        assert_eq!(Scope::pull(&repository).words(), with(Actions::Pull, None));
    }
}
