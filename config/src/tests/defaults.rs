//! The defaults are promises of the documentation, so they are spelt out here a second time.

use std::time::Duration;

use super::{parse, valid};
use crate::{Config, CredentialSource, LogFormat, Skew, Tls, Webhook, Word};

#[test]
fn the_defaults_are_the_documented_ones() {
    let Config { server, tls, access, upstream, cache, blobs, merge, webhook, log, .. } = Config::default();
    let Config { group, allow, registry, rule, warm, .. } = Config::default();
    assert_eq!((group, allow, registry), (Vec::new(), Vec::new(), Vec::new()));
    assert_eq!((tls, access.htpasswd), (Tls::default(), None));
    assert_eq!((server.external_url, server.trusted_proxies, server.hosts), (None, Vec::new(), Vec::new()));
    assert_eq!(server.max_connections_per_peer.get(), 2_000);
    assert_eq!(upstream.credentials, CredentialSource::Proxy);
    assert_eq!(upstream.grant_ttl.get(), Duration::from_mins(1));
    assert_eq!(upstream.stale_grant.get(), Duration::from_hours(1));
    assert_eq!(server.listen.to_string(), "127.0.0.1:5080");
    assert_eq!(server.admin.to_string(), "127.0.0.1:5081");
    assert_eq!(server.max_connections.get(), 10_000);
    assert_eq!(server.header_timeout.get(), Duration::from_secs(10));
    assert_eq!(server.stall_timeout.get(), Duration::from_mins(1));
    assert_eq!(server.shutdown_grace.get(), Duration::from_secs(30));
    assert_eq!(upstream.url, None);
    assert!(upstream.use_docker_config);
    assert_eq!(upstream.connect_timeout.get(), Duration::from_secs(5));
    assert_eq!(upstream.header_timeout.get(), Duration::from_secs(30));
    assert_eq!(upstream.idle_body_timeout.get(), Duration::from_mins(1));
    assert_eq!(upstream.max_in_flight.get(), 256);
    assert_eq!(cache.memory.bytes(), 256 * 1024 * 1024);
    assert_eq!(cache.tag_ttl.get(), Duration::from_mins(1));
    assert_eq!(cache.stale_while_revalidate.get(), Duration::from_hours(1));
    assert_eq!(cache.negative_ttl.get(), Duration::from_secs(5));
    assert_eq!(cache.stale_if_error.get(), Duration::from_hours(7 * 24));
    assert_eq!(cache.immutable, []);
    assert_eq!(cache.retention.get(), Duration::from_hours(90 * 24));
    assert!(blobs.cache && blobs.finish);
    assert_eq!(blobs.max_bytes.bytes(), 10 * 1024 * 1024 * 1024);
    assert_eq!(webhook, Webhook { token: None, token_file: None });
    assert_eq!(warm, []);
    assert_eq!(merge.relearn.get(), Duration::from_mins(1));
    assert!(!merge.complete_index && !merge.hide_members);
    assert_eq!(merge.skew, Skew::Warn);
    assert_eq!(merge.skew_grace.get(), Duration::from_mins(15));
    assert_eq!(merge.skew_gap.get(), Duration::from_hours(24));
    assert_eq!(rule, []);
    assert_eq!(log.format, LogFormat::Auto);
    assert_eq!(log.level.as_str(), "info");
}

#[test]
fn the_default_suffixes_keep_the_rules_of_a_list_that_is_read() {
    for suffix in Config::default().merge.suffixes {
        assert_eq!(suffix.as_str().parse::<Word>().unwrap(), suffix);
    }
    assert!(valid().validate().is_ok());
}

#[test]
fn printed_settings_read_back_as_the_same() {
    for text in [
        "",
        "[upstream]\nurl = \"http://localhost:5000/a/b\"\nusername = \"ü\\\"\"\npassword_file = \"/p\"",
        "[cache]\nmemory = \"1500000 B\"\ntag_ttl = \"1h 30m 1ms\"\nstale_if_error = \"90d\"\ndata_dir = \"d\"",
        "[merge]\nsuffixes = []\ncomplete_index = true\n[log]\nformat = \"json\"\nlevel = \"info,onetag=debug\"",
        "[merge]\nskew = \"hold\"\nskew_grace = \"1h\"\nskew_gap = \"0s\"",
        "[[rule]]\npreset = \"official\"\n[[rule]]",
        "[[rule]]\nname = \"ü \\\"\"\nrepositories = [\"a/**\", \"b\"]\ntags = [\"v[0-9]*\"]\npreset = \"suffix\"\n\
         members = [\"{tag}-edge\", { pattern = \"x/{name}:{tag}\", platform = \"linux/armhf\" }]\n\
         arch = [\"x86_64\", \"arm\"]\nrequire_base = true\nplatforms = [\"linux/arm64\", \"windows/amd64\"]\n\
         complete_index = false\nskew = \"hold\"\nskew_grace = \"1m\"\nskew_gap = \"2h\"",
        "[[rule]]\nmembers = [{ pattern = \"{tag}-edge\", platform = \"linux/arm64\" }]\nplatform_source = \"rule\"",
        "[cache]\nimmutable = [\"v[0-9]*\", \"*-rc?\"]\nretention = \"1d\"\n[blobs]\ncache = false\n\
         max_bytes = \"1 PiB\"\nfinish = false\n[webhook]\ntoken_file = \"/p\"\n[server]\nstall_timeout = \"1m\"",
        "[[rule]]\nttl = \"1h\"\nnegative_ttl = \"0s\"\nstale_while_revalidate = \"1m\"\n\
         stale_if_error = \"2h\"\nimmutable = []",
        "[[warm]]\nreferences = [\"a/b\", \"c:d\"]\nplatforms = [\"linux/arm\"]\nevery = \"10s\"\n\
         [[warm]]\nreferences = [\"a/b\"]",
        "[server]\nexternal_url = \"https://r.example/x\"\ntrusted_proxies = [\"10.0.0.1\", \"fd00::/8\"]\n\
         hosts = [\"R.example:5000\"]\nmax_connections_per_peer = 5\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n\
         client_ca = \"a\"\nclient_auth = \"optional\"\n[access]\nhtpasswd = \"h\"\n[merge]\nhide_members = true",
        "[[group]]\nname = \"b\"\nusers = [\"jo\"]\n[[allow]]\ngroups = [\"b\"]\nactions = [\"pull\", \"delete\"]\n\
         [[allow]]\nanonymous = true\nrepositories = [\"a/**\"]\n[[rule]]\nhide_members = true",
        "[[registry]]\nname = \"docker.io\"\n[[registry]]\nname = \"r.example:5000\"\nprefix = \"mirror/r\"\n\
         hosts = [\"h\"]\nnamespaces = [\"a\", \"b\"]\nlibrary = true\n[registry.upstream]\n\
         credentials = \"client\"\ngrant_ttl = \"5s\"\nstale_grant = \"0s\"\nclient_key = \"k\"\nca_file = \"/ca\"",
    ] {
        let config = parse(text).unwrap();
        assert_eq!(parse(&config.print()).unwrap(), config, "{}", config.print());
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_does_not_keep_the_rest_from_printing() {
    use std::os::unix::ffi::OsStringExt;

    let mut config = valid();
    config.cache.data_dir = Some(std::ffi::OsString::from_vec(b"/srv/\xFF".to_vec()).into());
    let printed = config.print();
    assert!(printed.contains("data_dir = \"/srv/\u{fffd}\""), "{printed}");
    assert!(parse(&printed).is_ok(), "{printed}");
}
