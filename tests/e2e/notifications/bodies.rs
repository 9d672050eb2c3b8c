//! Notifications as registries write them.

/// A notification about a repository, a tag and a digest.
pub(super) type Written = fn(&str, &str, &str) -> String;

/// A tag was pushed: by the distribution project's registry, by Harbor, by Harbor as a `CloudEvent`.
pub(super) const PUSHED: [Written; 3] = [
    |repository, tag, digest| distribution("push", repository, tag, digest),
    |repository, tag, digest| harbor("PUSH_ARTIFACT", repository, tag, digest),
    |repository, tag, digest| cloud_event("harbor.artifact.pushed", repository, tag, digest),
];

/// An image was deleted, by each of them. The first one does not name its tags, Harbor names one.
pub(super) const DELETED_IMAGE: [Written; 3] = [
    |repository, _, digest| distribution("delete", repository, "", digest),
    |repository, tag, digest| harbor("DELETE_ARTIFACT", repository, tag, digest),
    |repository, tag, digest| cloud_event("harbor.artifact.deleted", repository, tag, digest),
];

/// A tag was deleted, its image is still there.
pub(super) fn deleted_tag(repository: &str, tag: &str) -> String {
    envelope(&[event("delete", &format!(r#"{{"repository":"{repository}","tag":"{tag}"}}"#))])
}

/// A repository was deleted.
pub(super) fn deleted_repository(repository: &str) -> String {
    envelope(&[event("delete", &format!(r#"{{"repository":"{repository}"}}"#))])
}

/// Pulls, layers, scans and what else happens.
pub(super) fn changing_nothing(repository: &str, tag: &str, digest: &str) -> Vec<String> {
    vec![
        distribution("pull", repository, tag, digest),
        distribution("push", repository, "", digest),
        distribution("mount", repository, "", digest),
        harbor("PULL_ARTIFACT", repository, tag, digest),
        cloud_event("harbor.scan.completed", repository, tag, digest),
        r#"{"events":[]}"#.to_owned(),
    ]
}

/// Many tags were pushed.
pub(super) fn pushes(tags: &[(String, String)]) -> String {
    let target = |(repository, tag): &(String, String)| {
        event("push", &format!(r#"{{"repository":"{repository}","tag":"{tag}"}}"#))
    };
    envelope(&tags.iter().map(target).collect::<Vec<_>>())
}

fn envelope(events: &[String]) -> String {
    format!(r#"{{"events":[{}]}}"#, events.join(","))
}

fn event(action: &str, target: &str) -> String {
    format!(
        r#"{{"id":"320678d8","timestamp":"2026-11-24T10:00:00Z","action":"{action}","target":{target},"actor":{{}}}}"#
    )
}

fn distribution(action: &str, repository: &str, tag: &str, digest: &str) -> String {
    // A registry leaves out what is empty; what is pushed by digest has no tag.
    let tag = if tag.is_empty() || tag == digest { String::new() } else { format!(r#","tag":"{tag}""#) };
    let target = format!(
        r#"{{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":708,"digest":"{digest}",
            "length":708,"repository":"{repository}","url":"http://registry/v2/"{tag}}}"#
    );
    envelope(&[event(action, &target)])
}

fn data(repository: &str, tag: &str, digest: &str) -> String {
    let (namespace, name) = repository.split_once('/').expect("a project");
    format!(
        r#"{{"resources":[{{"digest":"{digest}","tag":"{tag}","resource_url":"harbor/{repository}:{tag}"}}],
            "repository":{{"date_created":1586922308,"name":"{name}","namespace":"{namespace}",
            "repo_full_name":"{repository}","repo_type":"private"}}}}"#
    )
}

fn harbor(kind: &str, repository: &str, tag: &str, digest: &str) -> String {
    let data = data(repository, tag, digest);
    format!(r#"{{"type":"{kind}","occur_at":1586922308,"operator":"admin","event_data":{data}}}"#)
}

fn cloud_event(kind: &str, repository: &str, tag: &str, digest: &str) -> String {
    let data = data(repository, tag, digest);
    format!(
        r#"{{"specversion":"1.0","id":"66e18103","requestid":"51c0b694","source":"/projects/2/webhook/policies/15",
            "type":"{kind}","datacontenttype":"application/json","time":"2026-11-24T06:04:46Z","data":{data},
            "operator":"admin"}}"#
    )
}
