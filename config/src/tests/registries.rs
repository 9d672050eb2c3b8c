use super::{parse, refusal};
use crate::{Registry, UpstreamUrl};

fn registry(settings: &str) -> Registry {
    parse(&format!("[[registry]]\n{settings}")).unwrap().registry.remove(0)
}

#[test]
fn a_registry_is_found_below_its_name_unless_that_has_a_port() {
    assert_eq!(registry("name = \"Quay.io\"").prefix(), Some("quay.io"));
    assert_eq!(registry("name = \"r.example:5000\"").prefix(), None);
    assert_eq!(registry("name = \"r.example:5000\"\nprefix = \"mirror/r\"").prefix(), Some("mirror/r"));
    assert_eq!(registry("name = \"quay.io\"\nprefix = \"\"").prefix(), None);
    for prefix in ["r.example:5000", "Mirror", "a//b", "/a", "a/", "a b"] {
        let said = refusal(&format!("[[registry]]\nname = \"quay.io\"\nprefix = \"{prefix}\""));
        assert!(said.contains("cannot begin a repository's name"), "{prefix}: {said}");
    }
}

#[test]
fn docker_hub_is_known_by_name_and_asked_at_its_address() {
    let hub = registry("name = \"docker.io\"");
    let url = hub.upstream().url.unwrap();
    assert_eq!((url.to_string(), url.registry_name()), ("https://registry-1.docker.io".into(), "docker.io"));
    assert!(hub.has_library() && hub.namespaces().eq(["docker.io"]));
    let other: UpstreamUrl = registry("name = \"quay.io\"").upstream().url.unwrap();
    assert_eq!((other.to_string(), other.registry_name()), ("https://quay.io".into(), "quay.io"));
}

#[test]
fn what_leads_to_one_registry_leads_to_no_other() {
    for (first, second) in [
        ("name = \"a.example\"", "name = \"A.example\""),
        ("name = \"a\"\nprefix = \"p\"", "name = \"b\"\nprefix = \"p\""),
        ("name = \"a\"\nhosts = [\"h\", \"i\"]", "name = \"b\"\nhosts = [\"j\", \"i\"]"),
        ("name = \"a\"\nnamespaces = [\"b\"]", "name = \"b\"\nprefix = \"\""),
    ] {
        let said = refusal(&format!("[[registry]]\n{first}\n[[registry]]\n{second}"));
        assert!(said.contains("is that of another registry, too"), "{said}");
    }
}
