//! Records of tags: targets of `crate::fuzzing`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::FutureExt as _;
use onetag_oci::{Digest, MediaType, Repository};
use serde_json::Value;

use super::saved::{self, Saved};
use super::{Content, Manifests, MergedStore, Records, TagRecord};
use crate::telemetry::Metrics;

pub(crate) use super::store::fuzzing::sealed_record;

const SETTINGS: u64 = 7;

/// The one manifest that is there.
const MANIFEST: &[u8] = b"{}";

/// A record of a tag: it says the same when it is written again, also after it was in use.
pub(crate) fn tag_record(data: &[u8]) -> bool {
    let Some(saved) = saved::read(data, SETTINGS) else { return false };
    let written = serde_json::to_vec(&saved).expect("a record can be written");
    let again = saved::read(&written, SETTINGS).expect("and read again");
    assert!(serde_json::to_vec(&again).is_ok_and(|text| text == written), "another record");
    assert!(saved::read(&written, SETTINGS + 1).is_none(), "a record of other settings");
    let Some(record) = in_use(saved) else { return false };
    let used = saved::write(&record, SETTINGS).expect("an answer");
    assert!(timeless(&used) == timeless(&written), "another record after it was in use");
    true
}

/// The record, where its content is the manifest that is there.
fn in_use(saved: Saved) -> Option<TagRecord> {
    static CACHES: LazyLock<(Repository, Manifests, MergedStore)> = LazyLock::new(|| {
        let records = Arc::new(Records::new(None, &Arc::new(Metrics::new().expect("metrics"))));
        let manifests = Manifests::new(1 << 20, Arc::clone(&records));
        let repository: Repository = "app".parse().expect("a name");
        let bytes = Bytes::from_static(MANIFEST);
        let content = Content::new(&bytes, MediaType::OciManifest, Digest::sha256(MANIFEST));
        manifests.put(&repository, &Arc::new(content));
        (repository, manifests, MergedStore::new(1 << 20, records, HashSet::new()))
    });
    let (repository, manifests, merged) = &*CACHES;
    saved.record(repository, manifests, merged).now_or_never().expect("nothing waits in memory")
}

/// The record without its times, which are those of this process while it is in use; and without what no header of
/// ours holds.
fn timeless(record: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(record).expect("JSON");
    value["basis"]["found"] = Value::Null;
    for time in ["confirmed", "held"] {
        value[time] = Value::Null;
    }
    for header in ["members", "skew"] {
        if value[header].as_str().is_some_and(|text| !text.bytes().all(|byte| matches!(byte, 32..127))) {
            value[header] = Value::from("");
        }
    }
    value
}
