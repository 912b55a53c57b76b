//! The documented operations.

use std::collections::BTreeSet;

use serde_json::json;

/// One that is documented.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub statuses: BTreeSet<u16>,
    pub is_public: bool,
}

impl Operation {
    /// Whether a request's method and path are this operation's, with its trailing slash or without.
    pub fn takes(&self, method: &str, path: &str) -> bool {
        let segments = |path: &str| -> Vec<String> {
            let path = path.strip_suffix('/').unwrap_or(path);
            path.split('/').map(str::to_owned).collect()
        };
        let (own, asked) = (segments(&self.path), segments(path));
        let alike = |own: &str, asked: &str| match own {
            "{id}" => asked.parse::<u64>().is_ok(),
            _ => own == asked,
        };
        self.method == method
            && own.len() == asked.len()
            && own.iter().zip(&asked).all(|(own, asked)| alike(own, asked))
    }

    /// Its path as documented, and the other spelling.
    pub fn spellings(&self) -> [String; 2] {
        match self.path.strip_suffix('/') {
            Some(plain) => [self.path.clone(), plain.to_owned()],
            None => [self.path.clone(), format!("{}/", self.path)],
        }
    }
}

/// Every one.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(marquee::openapi::document().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            let statuses = operation["responses"].as_object().unwrap().keys();
            let security = operation["security"].as_array();
            operations.push(Operation {
                id: id.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                statuses: statuses.map(|status| status.parse().unwrap()).collect(),
                is_public: security.is_none_or(|schemes| schemes.is_empty() || schemes.contains(&json!({}))),
            });
        }
    }
    operations
}
