use crate::rule::{exceeds_members, repeated};
use crate::value::{ClientAuth, CredentialSource, MASK, Secret};
use crate::{Config, ConfigError, Upstream, webhook_token_is_fit};

/// What no single setting shows, or what a flag may have set without a check.
struct Rule {
    setting: &'static str,
    flag: Option<&'static str>,
    advice: &'static str,
    broken: fn(&Config) -> bool,
}

const RULES: [Rule; 20] = [
    Rule {
        setting: "upstream.url",
        flag: Some("--upstream"),
        advice: "no registry is set; name it, as in --upstream https://registry.example.com",
        broken: |config| config.upstream.url.is_none() && config.registry.is_empty(),
    },
    Rule {
        setting: "upstream.username",
        flag: Some("--upstream-username"),
        advice: "the password is missing; set upstream.password_file (--upstream-password-file) as well",
        broken: |config| any(config, |upstream| upstream.username.is_some() && !has_password(upstream)),
    },
    Rule {
        setting: "upstream.username",
        flag: Some("--upstream-username"),
        advice: "a password is set, but no user name; set it as well",
        broken: |config| any(config, |upstream| upstream.username.is_none() && has_password(upstream)),
    },
    Rule {
        setting: "upstream.username",
        flag: Some("--upstream-username"),
        advice: "the user name is empty, or has a colon or a control character, which HTTP cannot carry",
        broken: |config| any(config, |upstream| upstream.username.as_deref().is_some_and(is_unfit_username)),
    },
    Rule {
        setting: "upstream.password",
        flag: Some("ONETAG_UPSTREAM_PASSWORD"),
        advice: "upstream.password_file (--upstream-password-file) is set, too; keep one of them",
        broken: |config| {
            any(config, |upstream| upstream.password.is_some() && upstream.password_file.is_some())
        },
    },
    Rule {
        setting: "upstream.password",
        flag: Some("ONETAG_UPSTREAM_PASSWORD"),
        advice: "the password is empty, or the mask of printed settings; write the password itself",
        broken: |config| any(config, |upstream| upstream.password.as_ref().is_some_and(is_unfit_password)),
    },
    Rule {
        setting: "upstream.client_certificate",
        flag: None,
        advice: "upstream.client_certificate and upstream.client_key belong together; set both",
        broken: |config| {
            any(config, |upstream| upstream.client_certificate.is_some() != upstream.client_key.is_some())
        },
    },
    Rule {
        setting: "upstream.credentials",
        flag: Some("--credentials"),
        advice: "with \"client\" onetag has no account of its own; leave upstream.username and its password out",
        broken: |config| {
            any(config, |upstream| {
                upstream.credentials == CredentialSource::Client && upstream.username.is_some()
            })
        },
    },
    Rule {
        setting: "upstream.client_certificate",
        flag: None,
        advice: "with credentials = \"client\" it would let every caller in as onetag; leave it out",
        broken: |config| {
            any(config, |upstream| is_clients(upstream) && upstream.client_certificate.is_some())
        },
    },
    Rule {
        setting: "registry.hosts",
        flag: None,
        advice: "logins may be meant for several registries or for onetag itself; give each [[registry]] with \
                 credentials = \"client\" a host of its own",
        broken: |config| {
            config.has_several_logins()
                && config
                    .registry
                    .iter()
                    .any(|registry| is_clients(&registry.upstream()) && registry.hosts().next().is_none())
        },
    },
    Rule {
        setting: "access.htpasswd",
        flag: Some("--htpasswd"),
        advice: "with credentials = \"client\" in [upstream] logins are for that registry, and would be sent to it; keep \
                 one of the two",
        broken: |config| {
            config.access.htpasswd.is_some() && config.upstream.url.is_some() && is_clients(&config.upstream)
        },
    },
    Rule {
        setting: "tls.certificate",
        flag: Some("--tls-certificate"),
        advice: "tls.certificate and tls.key (--tls-key) belong together; set both",
        broken: |config| config.tls.certificate.is_some() != config.tls.key.is_some(),
    },
    Rule {
        setting: "tls.client_ca",
        flag: Some("--tls-client-ca"),
        advice: "clients show certificates over TLS alone; set tls.certificate and tls.key as well",
        broken: |config| config.tls.client_ca.is_some() && config.tls.certificate.is_none(),
    },
    Rule {
        setting: "tls.client_auth",
        flag: None,
        advice: "nobody says which certificates are right; set tls.client_ca (--tls-client-ca)",
        broken: |config| config.tls.client_auth() != ClientAuth::None && config.tls.client_ca.is_none(),
    },
    Rule {
        setting: "server.admin",
        flag: Some("--admin"),
        advice: "the address is that of server.listen (--listen); choose another port",
        broken: |config| config.server.admin == config.server.listen && config.server.admin.port() != 0,
    },
    Rule {
        setting: "cache.stale_if_error",
        flag: Some("--stale-if-error"),
        advice: "it is shorter than cache.tag_ttl (--tag-ttl), so it would never be used; raise it, or \
                 write \"0s\" to switch it off",
        broken: |config| {
            let stale = config.cache.stale_if_error;
            !stale.is_zero() && stale.get() < config.cache.tag_ttl.get()
        },
    },
    Rule {
        setting: "webhook.token",
        flag: Some("--webhook-token"),
        advice: "webhook.token_file is set, too; keep one of them",
        broken: |config| config.webhook.token.is_some() && config.webhook.token_file.is_some(),
    },
    Rule {
        setting: "webhook.token",
        flag: Some("--webhook-token"),
        advice: "the token has to be 16 to 512 visible ASCII characters without spaces; take a long random one",
        broken: |config| {
            config.webhook.token.as_ref().is_some_and(|token| !webhook_token_is_fit(token.expose()))
        },
    },
    Rule {
        setting: "merge.suffixes",
        flag: Some("--suffixes"),
        advice: "a suffix is listed twice; keep the first one",
        broken: |config| repeated(&config.merge.suffixes).is_some(),
    },
    Rule {
        setting: "merge.suffixes",
        flag: Some("--suffixes"),
        advice: "a rule without arch takes these for {arch}, and has more than 32 members then; set arch in it",
        broken: |config| {
            let suffixes = config.merge.suffixes.len();
            config.rule.iter().any(|rule| exceeds_members(rule, suffixes))
        },
    },
];

impl Config {
    /// Checks what no single setting shows, once flags and environment have been laid over the file.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match RULES.iter().find(|rule| (rule.broken)(self)) {
            Some(&Rule { setting, flag, advice, .. }) => Err(ConfigError::Setting { setting, flag, advice }),
            None => Ok(()),
        }
    }
}

fn is_clients(upstream: &Upstream) -> bool {
    upstream.credentials == CredentialSource::Client
}

/// Whether it is so of any upstream.
fn any(config: &Config, is_so: impl Fn(&Upstream) -> bool) -> bool {
    is_so(&config.upstream) || config.registry.iter().any(|registry| is_so(&registry.upstream()))
}

fn has_password(upstream: &Upstream) -> bool {
    upstream.password.is_some() || upstream.password_file.is_some()
}

// RFC 7617, section 2.
fn is_unfit_username(name: &str) -> bool {
    name.is_empty() || name.contains(|c: char| c == ':' || c.is_control())
}

fn is_unfit_password(password: &Secret) -> bool {
    matches!(password.expose(), "" | MASK)
}
