use std::time::Duration;

use crate::value::{SpanError, UrlError};
use crate::{Age, LogFilter, LogFormat, NegativeTtl, Scheme, Size, Timeout, UpstreamUrl, Word, WordError};

#[test]
fn durations_read_as_people_write_them() {
    for (text, millis) in [
        ("60s", 60_000),
        ("1h 30m", 5_400_000),
        ("7d", 604_800_000),
        ("1500ms", 1500),
        ("365d", 31_536_000_000),
    ] {
        let age: Age = text.parse().unwrap();
        assert_eq!(age.get(), Duration::from_millis(millis), "{text}");
        assert_eq!(age.to_string().parse(), Ok(age), "{text}");
    }
    assert_eq!("0".parse::<Age>().unwrap().get(), Duration::ZERO);
}

#[test]
fn durations_print_in_the_largest_unit_that_is_exact() {
    for (text, printed) in [
        ("90 days", "90d"),
        ("120s", "2m"),
        ("90s", "90s"),
        ("0s", "0s"),
        ("1ms", "1ms"),
        ("1s 5us", "1s 5us"),
    ] {
        assert_eq!(text.parse::<Age>().unwrap().to_string(), printed);
    }
}

#[test]
fn durations_keep_their_bounds_to_the_edge() {
    assert_eq!("1us".parse::<Timeout>(), Err(SpanError::TooShort(Duration::from_millis(1))));
    assert!("1ms".parse::<Timeout>().is_ok());
    assert!("10s".parse::<NegativeTtl>().is_ok());
    assert_eq!("10001ms".parse::<NegativeTtl>(), Err(SpanError::TooLong(Duration::from_secs(10))));
    assert!(Age::try_from(Duration::MAX).is_err());
    assert_eq!("60".parse::<Age>(), Err(SpanError::NoUnit(60)));
    assert!(matches!("99999999999999999999999d".parse::<Age>(), Err(SpanError::Malformed(_))));
}

#[test]
fn sizes_print_exactly() {
    for (text, bytes, printed) in [
        ("256 MiB", 256 << 20, "256 MiB"),
        ("2GiB", 2 << 30, "2 GiB"),
        ("1.5 GiB", 3 << 29, "1536 MiB"),
        ("2 MB", 2_000_000, "2000000 B"),
        ("1 TiB", 1 << 40, "1 TiB"),
        ("1 PiB", 1 << 50, "1024 TiB"),
    ] {
        let size: Size = text.parse().unwrap();
        assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, printed));
    }
    for wrong in ["1 KiB", "2 PiB", "99999999999999999999999 EiB", "12", "MiB", "", "-5 MiB"] {
        assert!(wrong.parse::<Size>().is_err(), "{wrong}");
    }
}

#[test]
fn a_word_is_one_of_the_list() {
    for word in Word::all() {
        assert_eq!(word.as_str().parse(), Ok(word));
    }
    for (text, error) in [
        ("-arm", WordError::Hyphen),
        ("-banana", WordError::Hyphen),
        ("arm/v7", WordError::Misspelt("armv7")),
        ("ARM", WordError::Unknown),
        ("", WordError::Unknown),
        (&"a".repeat(1000), WordError::Unknown),
    ] {
        assert_eq!(text.parse::<Word>(), Err(error), "{text}");
    }
}

#[test]
fn log_filters_are_levels_alone_or_by_target() {
    for good in ["info", "OFF", "warn,onetag::upstream=debug", "onetag=trace,hyper=error"] {
        assert_eq!(good.parse::<LogFilter>().unwrap().as_str(), good);
    }
    for bad in ["", "inof", "onetag", "onetag=", "=info", "info,", "a b=info", &"info,".repeat(60)] {
        assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
    }
}

#[test]
fn log_formats_read_back() {
    for format in [LogFormat::Auto, LogFormat::Text, LogFormat::Json] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("JSON".parse::<LogFormat>().is_err());
}

#[test]
fn a_url_falls_into_its_parts() {
    let url: UpstreamUrl = "HTTPS://Registry.Example.com:5000/team/Docker.v2/".parse().unwrap();
    assert_eq!(url.scheme(), Scheme::Https);
    assert_eq!((url.host(), url.port()), ("registry.example.com", 5000));
    assert_eq!(url.authority(), "registry.example.com:5000");
    assert_eq!(url.registry_name(), "registry.example.com:5000");
    assert_eq!(url.path_prefix(), "/team/Docker.v2");
    assert_eq!(url.to_string(), "https://registry.example.com:5000/team/Docker.v2");
    assert_eq!(url.to_string().parse(), Ok(url));
}

#[test]
fn a_url_without_port_and_path_has_the_ones_of_its_scheme() {
    for (text, port) in [("http://r.example", 80), ("https://r.example/", 443)] {
        let url: UpstreamUrl = text.parse().unwrap();
        assert_eq!((url.port(), url.authority(), url.path_prefix()), (port, "r.example", ""));
    }
}

#[test]
fn a_wrong_url_is_told_from_each_other_wrong_url() {
    for (text, error) in [
        ("", UrlError::NoScheme),
        ("registry.example.com", UrlError::NoScheme),
        ("localhost:5000", UrlError::NoScheme),
        ("ftp://registry.example.com", UrlError::OtherScheme),
        ("://registry.example.com", UrlError::OtherScheme),
        ("https://", UrlError::NoHost),
        ("https:///path", UrlError::NoHost),
        ("https://:5000", UrlError::NoHost),
        ("https://r.example:", UrlError::Port),
        ("https://r.example:0", UrlError::Port),
        ("https://r.example:65536", UrlError::Port),
        ("https://r.example:http", UrlError::Port),
        ("https://[::1]:x", UrlError::Port),
        ("https://me@r.example", UrlError::Userinfo),
        ("https://me:secret@r.example", UrlError::Userinfo),
        ("https://r.example?a=b", UrlError::QueryOrFragment),
        ("https://r.example/#top", UrlError::QueryOrFragment),
        ("https://r.example/a//b", UrlError::Path),
        ("https://r.example/../b", UrlError::Path),
        ("https://r.example/a%2Fb", UrlError::Path),
        ("https://r.example/a b", UrlError::Path),
        ("https://r.example/v2/", UrlError::ApiPath),
        ("https://docker.io", UrlError::DockerHub),
        ("https://r exa.mple", UrlError::Malformed),
        ("https://[::1", UrlError::Malformed),
        (" https://r.example", UrlError::OtherScheme),
    ] {
        assert_eq!(text.parse::<UpstreamUrl>(), Err(error), "{text:?}");
    }
}

#[test]
fn loopback_is_told_by_the_name_alone() {
    for (text, expected) in [
        ("http://localhost:5000", true),
        ("http://registry.localhost", true),
        ("http://127.9.9.9", true),
        ("http://[::1]:5000", true),
        ("http://127.0.0.1.example.com", false),
        ("http://localhost.example.com", false),
        ("http://10.0.0.1", false),
        ("http://[::2]", false),
    ] {
        assert_eq!(text.parse::<UpstreamUrl>().unwrap().is_loopback(), expected, "{text}");
    }
}
