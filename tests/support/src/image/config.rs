//! The image configuration: platform, labels, root file system.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::layer::Layer;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) os: Option<String>,
    pub(super) architecture: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) os_version: Option<String>,
    pub(super) os_features: Vec<String>,
    pub(super) created: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) entrypoint: Vec<String>,
}

impl Config {
    pub(super) fn of(platform: &str) -> Self {
        let mut parts = platform.split('/').map(str::to_owned);
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        assert!(
            architecture.is_some() && parts.next().is_none(),
            "not os/architecture[/variant]: {platform}"
        );
        Self {
            os,
            architecture,
            variant,
            os_version: None,
            os_features: Vec::new(),
            created: "2024-01-01T00:00:00Z".to_owned(),
            labels: BTreeMap::new(),
            entrypoint: Vec::new(),
        }
    }

    /// The platform fields exactly as the configuration has them.
    pub(super) fn platform(&self) -> Value {
        Value::Object(self.platform_fields())
    }

    pub(super) fn to_bytes(&self, layers: &[Layer]) -> Vec<u8> {
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let history: Vec<Value> =
            layers.iter().map(|_| json!({ "created": self.created, "created_by": "testkit" })).collect();
        let mut config = self.platform_fields();
        config.insert("created".into(), json!(self.created));
        config.insert("config".into(), self.runtime());
        config.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": diff_ids }));
        config.insert("history".into(), json!(history));
        Value::Object(config).to_string().into_bytes()
    }

    fn runtime(&self) -> Value {
        let mut runtime = Map::new();
        if !self.labels.is_empty() {
            runtime.insert("Labels".into(), json!(self.labels));
        }
        if !self.entrypoint.is_empty() {
            runtime.insert("Entrypoint".into(), json!(self.entrypoint));
        }
        Value::Object(runtime)
    }

    fn platform_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let texts = [
            ("architecture", &self.architecture),
            ("os", &self.os),
            ("os.version", &self.os_version),
            ("variant", &self.variant),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                fields.insert(name.into(), json!(value));
            }
        }
        if !self.os_features.is_empty() {
            fields.insert("os.features".into(), json!(self.os_features));
        }
        fields
    }
}
