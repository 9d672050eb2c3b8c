//! What registries tell about pushes and deletions: the events of the distribution project's registry, and
//! Harbor's, in its own format and as `CloudEvents`.

use std::collections::HashSet;

use onetag_oci::{Digest, Repository, Tag};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::resolve::Change;

/// How many changes one notification may name; of what comes after them, the whole repositories count.
const MAX_CHANGES: usize = 1_000;

/// How much of a name that is none is told, in characters.
const TOLD_CHARACTERS: usize = 100;

/// What a notification says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notification {
    /// What changed, each once, in no order.
    pub(super) changes: HashSet<Change>,
    /// How many events name what is no repository, tag or digest by the grammar.
    pub(super) skipped: usize,
    /// The beginning of one such name.
    pub(super) example: Option<String>,
}

/// Why a body is no notification.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotificationError {
    /// It is not JSON, or something in it has the wrong type.
    #[error("it is no JSON object of a kind that registries send")]
    Json(#[from] serde_json::Error),
    /// It is a document of another kind.
    #[error("it has neither `events` nor a `type` with `event_data` or `specversion`")]
    Unknown,
}

impl Notification {
    /// Reads a body. Events that change nothing, such as pulls and scans, count for nothing.
    pub(super) fn parse(body: &[u8]) -> Result<Self, NotificationError> {
        let mut read = Self::default();
        match serde_json::from_slice(body)? {
            Kind { events: Some(_), .. } => {
                let Envelope { events } = serde_json::from_slice(body)?;
                for event in &events {
                    read.event(event);
                }
            }
            Kind { r#type: Some(kind), specversion, event_data, .. }
                if specversion.is_some() || event_data.is_some() =>
            {
                if let Some(action) = harbors(&kind) {
                    let Harbor { data } = serde_json::from_slice(body)?;
                    read.artifacts(action, &data);
                }
            }
            Kind { .. } => return Err(NotificationError::Unknown),
        }
        read.simplify();
        Ok(read)
    }

    fn event(&mut self, Event { action, target }: &Event) {
        let action = match action.as_deref() {
            Some("push" | "mount") => Action::Push,
            Some("delete") => Action::Delete,
            _ => return,
        };
        let Some(Target { repository, tag, digest }) = target else { return };
        self.note(action, repository.as_deref(), tag.as_deref(), digest.as_deref());
    }

    fn artifacts(&mut self, action: Action, Artifacts { resources, repository }: &Artifacts) {
        let name = repository.as_ref().and_then(HarborRepository::full_name);
        for Resource { tag, digest } in resources.iter().flatten() {
            // Harbor writes the digest in the place of a tag where there is none.
            let tag = tag.as_deref().filter(|tag| !tag.contains(':'));
            self.note(action, name.as_deref(), tag, digest.as_deref());
        }
    }

    /// Notes one event; empty fields are absent ones.
    fn note(&mut self, action: Action, repository: Option<&str>, tag: Option<&str>, digest: Option<&str>) {
        let (tag, digest) = (tag.filter(|tag| !tag.is_empty()), digest.filter(|digest| !digest.is_empty()));
        // Of layers, and manifests that are pushed by digest: no tag names anything else since.
        if action == Action::Push && tag.is_none() {
            return;
        }
        let repository = repository.unwrap_or_default();
        match change(action, repository, tag, digest) {
            Ok(change) if self.changes.len() < MAX_CHANGES => drop(self.changes.insert(change)),
            Ok(change) => drop(self.changes.insert(Change::Repository(change.repository().clone()))),
            Err(name) => {
                self.skipped += 1;
                self.example.get_or_insert_with(|| name.chars().take(TOLD_CHARACTERS).collect());
            }
        }
    }

    /// Leaves out what is said by a whole repository.
    fn simplify(&mut self) {
        let whole =
            |change: &Change| matches!(change, Change::Repository(_)).then(|| change.repository().clone());
        let whole: HashSet<Repository> = self.changes.iter().filter_map(whole).collect();
        self.changes.retain(|change| !matches!(change, Change::Tag(of, _) if whole.contains(of)));
    }
}

/// The change; or the text that is no name.
fn change<'a>(
    action: Action,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
) -> Result<Change, &'a str> {
    let home: Repository = repository.parse().map_err(|_| repository)?;
    match (tag, digest) {
        // A deleted manifest takes all its tags with it; Harbor names one of them at most.
        (_, Some(digest)) if action == Action::Delete => {
            digest.parse::<Digest>().map(|parsed| Change::Deleted(home, parsed)).map_err(|_| digest)
        }
        (Some(tag), _) => tag.parse::<Tag>().map(|parsed| Change::Tag(home, parsed)).map_err(|_| tag),
        (None, _) => Ok(Change::Repository(home)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Push,
    Delete,
}

/// What Harbor's kinds of events do to tags; most do nothing.
fn harbors(kind: &str) -> Option<Action> {
    match kind {
        "PUSH_ARTIFACT" | "CREATE_TAG" | "harbor.artifact.pushed" | "harbor.tag.created" => {
            Some(Action::Push)
        }
        "DELETE_ARTIFACT" | "harbor.artifact.deleted" => Some(Action::Delete),
        _ => None,
    }
}

/// What tells the formats apart.
#[derive(Deserialize)]
struct Kind {
    events: Option<IgnoredAny>,
    r#type: Option<String>,
    specversion: Option<IgnoredAny>,
    event_data: Option<IgnoredAny>,
}

/// `application/vnd.docker.distribution.events.v1+json`; version 2 has these fields, too.
#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    action: Option<String>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

/// Harbor's `event_data`, which a `CloudEvent` has as its `data`.
#[derive(Deserialize)]
struct Harbor {
    #[serde(alias = "event_data")]
    data: Artifacts,
}

#[derive(Deserialize)]
struct Artifacts {
    resources: Option<Vec<Resource>>,
    repository: Option<HarborRepository>,
}

#[derive(Deserialize)]
struct Resource {
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl HarborRepository {
    fn full_name(&self) -> Option<String> {
        let parts = || Some(format!("{}/{}", self.namespace.as_ref()?, self.name.as_ref()?));
        self.repo_full_name.clone().or_else(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn repository(name: &str) -> Change {
        Change::Repository(name.parse().unwrap())
    }

    fn tag(repository: &str, tag: &str) -> Change {
        Change::Tag(repository.parse().unwrap(), tag.parse().unwrap())
    }

    fn deleted(repository: &str) -> Change {
        Change::Deleted(repository.parse().unwrap(), DIGEST.parse().unwrap())
    }

    fn read(body: &str) -> Notification {
        Notification::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Asserts what a body changes, with nothing skipped.
    #[track_caller]
    fn changes(body: &str, wanted: &[Change]) {
        let wanted = Notification { changes: wanted.iter().cloned().collect(), ..Notification::default() };
        assert_eq!(read(body), wanted);
    }

    fn event(action: &str, target: &str) -> String {
        format!(
            r#"{{"id":"1","action":"{action}","target":{target},"actor":{{}},"source":{{"addr":"a:5000"}}}}"#
        )
    }

    fn events(events: &[String]) -> String {
        format!(r#"{{"events":[{}]}}"#, events.join(","))
    }

    #[test]
    fn distributions_events_are_read() {
        let full = format!(
            r#"{{"mediaType":"m","size":7,"digest":"{DIGEST}","length":7,"repository":"team/app","tag":"v1",
                 "url":"http://a/v2/","references":[{{"digest":"{DIGEST}"}}]}}"#
        );
        let layer = format!(r#"{{"repository":"team/app","digest":"{DIGEST}","fromRepository":"b"}}"#);
        changes(&events(&[event("push", &full)]), &[tag("team/app", "v1")]);
        changes(&events(&[event("push", &layer), event("mount", &layer), event("pull", &full)]), &[]);
        changes(&events(&[event("delete", &layer)]), &[deleted("team/app")]);
        changes(
            &events(&[event("delete", r#"{"repository":"team/app","tag":"v2"}"#)]),
            &[tag("team/app", "v2")],
        );
        changes(&events(&[event("delete", r#"{"repository":"team/app"}"#)]), &[repository("team/app")]);
        changes(&events(&[event("scrub", &full), r#"{"action":"push"}"#.into(), "{}".into()]), &[]);
        changes(r#"{"events":[]}"#, &[]);
    }

    /// In both of Harbor's formats.
    fn harbor(action: &str, resources: &str, repository: &str) -> [String; 2] {
        let data = format!(r#"{{"resources":{resources},"repository":{repository}}}"#);
        let own = action.to_uppercase();
        let (verb, noun) = action.split_once('_').unwrap();
        let cloud = format!("harbor.{noun}.{}", if verb == "push" { "pushed" } else { "deleted" });
        [
            format!(r#"{{"type":"{own}","occur_at":1586922308,"operator":"admin","event_data":{data}}}"#),
            format!(
                r#"{{"specversion":"1.0","id":"i","requestid":"r","source":"/projects/1/webhook/policies/3",
                     "type":"{cloud}","datacontenttype":"application/json","time":"2023-04-03T06:04:46Z",
                     "data":{data},"operator":"admin"}}"#
            ),
        ]
    }

    #[test]
    fn harbors_events_are_read_in_both_formats() {
        let name = r#"{"date_created":1,"name":"app","namespace":"team","repo_full_name":"team/app","repo_type":"public"}"#;
        let parts = r#"{"name":"deep/app","namespace":"team"}"#;
        let tagged = format!(r#"[{{"digest":"{DIGEST}","tag":"v1","resource_url":"h/team/app:v1"}}]"#);
        let untagged =
            format!(r#"[{{"digest":"{DIGEST}","tag":"{DIGEST}","resource_url":"h/team/app@{DIGEST}"}}]"#);
        for body in harbor("push_artifact", &tagged, name) {
            changes(&body, &[tag("team/app", "v1")]);
        }
        for body in harbor("push_artifact", &tagged, parts) {
            changes(&body, &[tag("team/deep/app", "v1")]);
        }
        for body in harbor("push_artifact", &untagged, name) {
            changes(&body, &[]);
        }
        for resources in [&tagged, &untagged] {
            for body in harbor("delete_artifact", resources, name) {
                changes(&body, &[deleted("team/app")]);
            }
        }
        for body in harbor("delete_artifact", "null", name) {
            changes(&body, &[]);
        }
    }

    #[test]
    fn events_of_other_kinds_change_nothing_whatever_their_data() {
        for body in [
            r#"{"type":"PULL_ARTIFACT","event_data":{"resources":[{"tag":"v1"}],"repository":{"repo_full_name":"a"}}}"#,
            r#"{"type":"REPLICATION","event_data":{"replication":{}}}"#,
            r#"{"type":"harbor.scan.completed","specversion":"1.0","data":{"resources":7}}"#,
            r#"{"type":"com.example.any","specversion":"1.0","data":"text"}"#,
        ] {
            changes(body, &[]);
        }
    }

    #[test]
    fn what_is_no_notification_is_told() {
        for body in [
            "",
            "{",
            "null",
            "7",
            "[]",
            "{}",
            "<html>",
            "{\"events\":7}",
            "{\"events\":[7]}",
            "{\"type\":\"PUSH_ARTIFACT\"}",
            r#"{"type":"PUSH_ARTIFACT","event_data":7}"#,
            r#"{"type":"PUSH_ARTIFACT","specversion":"1.0"}"#,
            r#"{"events":[],"events":[]}"#,
            r#"{"events":[{"action":"push","target":{"repository":7}}]}"#,
        ] {
            assert!(Notification::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_ignored_may_be_nested_as_deep_as_it_fits() {
        let levels = 500_000;
        changes(&format!(r#"{{"events":[],"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels)), &[]);
    }

    #[test]
    fn names_outside_the_grammar_are_skipped_and_counted() {
        let target = |repository: &str, rest: &str| format!(r#"{{"repository":"{repository}"{rest}}}"#);
        let long = "X".repeat(5_000);
        let read = read(&events(&[
            event("push", &target(&long, r#","tag":"v1""#)),
            event("push", &target("team/app", r#","tag":"..""#)),
            event("delete", &target("team/app", r#","digest":"sha256:1""#)),
            event("delete", "{}"),
            event("push", &target("team/app", r#","tag":"v1""#)),
        ]));
        assert_eq!((read.skipped, read.changes.len()), (4, 1));
        assert_eq!(read.example, Some("X".repeat(TOLD_CHARACTERS)));
    }

    #[test]
    fn what_comes_after_a_thousand_changes_counts_by_its_repository() {
        let push = |number: usize| {
            event("push", &format!(r#"{{"repository":"a{}","tag":"v{number}"}}"#, number % 3))
        };
        let all: Vec<_> = (0..MAX_CHANGES).map(push).collect();
        assert_eq!(read(&events(&all)).changes.len(), MAX_CHANGES);
        let more: Vec<_> =
            (0..5_000).map(|number| if number < MAX_CHANGES { push(0) } else { push(number) }).collect();
        assert_eq!(read(&events(&more)).changes.len(), 3);
    }
}
