//! The answers of reads, decoded from the body of a response straight into [`StoredItem`]s.
//!
//! The SDK decodes a body by a deserializer, which it finds in the configuration of the call. For the calls that [`decoded`]
//! makes, [`DecodesAnswers`] puts another one around it: it decodes the items by serde and lets the SDK decode an empty
//! object. All else is the SDK's: the request, its signature, the connection, timeouts, and every response that isn't a
//! success. A body that can't be decoded here is decoded by the SDK.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::pin,
    sync::LazyLock,
};

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents},
    operation::{
        batch_get_item::{BatchGetItem, BatchGetItemOutput},
        get_item::{GetItem, GetItemOutput},
        query::{Query, QueryOutput},
        scan::{Scan, ScanOutput},
    },
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::context::{BeforeSerializationInterceptorContextRef, OutputOrError},
        orchestrator::{HttpResponse, OrchestratorError},
        runtime_plugin::RuntimePlugin as _,
        ser_de::{DeserializeResponse, SharedResponseDeserializer},
    },
};
use aws_smithy_types::config_bag::FrozenLayer;
use serde::{Deserialize, de::IgnoredAny};

use crate::db::{
    attributes::StoredItem,
    consumed::{Consumed, Units, of_tables},
};

tokio::task_local! {
    /// The read that this task makes.
    static READ: Read;
}

/// A read in progress.
struct Read {
    /// The SDK's configuration of the operation, which has its deserializer. Of the deserializer in the configuration of a call
    /// there is only a reference, and it can't be copied.
    sdk: &'static FrozenLayer,
    /// The answer. `None` until it is decoded.
    answer: RefCell<Option<Answer>>,
}

/// What a read of one table answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The items.
    pub(crate) items: Vec<StoredItem>,
    /// Whether DynamoDB stopped before the end of the range.
    pub(crate) more: bool,
    /// The keys that weren't processed.
    pub(crate) unprocessed: Vec<StoredItem>,
    /// The units that the read consumed, if it asked for them.
    units: f64,
}

impl Consumed for Answer {
    fn units(&self) -> f64 {
        self.units
    }
}

/// Makes a read with a client that [`DecodesAnswers`], and returns its answer. `call` must make no other call.
///
/// # Errors
/// Those of the SDK.
pub(crate) fn decoded<O: OfRead, E>(
    call: impl Future<Output = Result<O, E>>,
) -> impl Future<Output = Result<Answer, E>> {
    // The future of a call is large, and would be moved several times before it is first polled.
    let call = Box::pin(call);
    async move {
        let Some(sdk) = O::sdk() else {
            return call.await.map(Into::into);
        };
        let answer = RefCell::default();
        let mut call = pin!(READ.scope(Read { sdk, answer }, call));
        let output = call.as_mut().await?;
        let answer = call.take_value().and_then(|read| read.answer.into_inner());
        Ok(answer.unwrap_or_else(|| output.into()))
    }
}

/// The SDK's output of a read.
pub(crate) trait OfRead: Into<Answer> {
    /// Returns the SDK's configuration of the operation.
    fn sdk() -> Option<&'static FrozenLayer>;
}

macro_rules! of_read {
    ($($output:ty: $operation:expr;)+) => {
        $(impl OfRead for $output {
            fn sdk() -> Option<&'static FrozenLayer> {
                static SDK: LazyLock<Option<FrozenLayer>> = LazyLock::new(|| $operation.config());
                SDK.as_ref()
            }
        })+
    };
}

of_read! {
    GetItemOutput: GetItem::new();
    QueryOutput: Query::new();
    ScanOutput: Scan::new();
    BatchGetItemOutput: BatchGetItem::new();
}

/// The interceptor that [`decoded`] needs. It changes nothing for other calls.
#[derive(Debug)]
pub(crate) struct DecodesAnswers;

impl Intercept for DecodesAnswers {
    fn name(&self) -> &'static str {
        "DecodesAnswers"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK takes a deserializer of an interceptor before that of the operation.
        if let Ok(sdk) = READ.try_with(|read| read.sdk) {
            let decoder = SharedResponseDeserializer::new(Decoder(sdk));
            cfg.interceptor_state().store_put(decoder);
        }
        Ok(())
    }
}

/// Decodes the items of a successful response, and leaves everything else to the deserializer of this configuration.
#[derive(Debug)]
struct Decoder(&'static FrozenLayer);

impl Decoder {
    fn by_the_sdk(&self, response: &HttpResponse, cfg: &ConfigBag) -> OutputOrError {
        let sdk = self.0.load::<SharedResponseDeserializer>();
        let missing = || OrchestratorError::other("the operation has no deserializer");
        sdk.ok_or_else(missing)?
            .deserialize_nonstreaming_with_config(response, cfg)
    }
}

impl DeserializeResponse for Decoder {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        cfg: &ConfigBag,
    ) -> OutputOrError {
        let body = response.body().bytes().filter(|_| response.status().is_success());
        // As text, because then the whole body is checked to be UTF-8 at once and not each string by itself.
        let text = body.and_then(|body| std::str::from_utf8(body).ok());
        let answer = text.and_then(|text| serde_json::from_str::<Body>(text).ok());
        let is_taken = answer.is_some_and(|answer| {
            let answer = Some(answer.into());
            READ.try_with(|read| read.answer.replace(answer)).is_ok()
        });
        if is_taken {
            let empty = HttpResponse::new(response.status(), "{}".into());
            return self.by_the_sdk(&empty, cfg);
        }
        self.by_the_sdk(response, cfg)
    }
}

/// The body of a GetItem, a Query, a Scan or a BatchGetItem (AWS: the syntax of their responses).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    item: Option<StoredItem>,
    items: Option<Vec<StoredItem>>,
    last_evaluated_key: Option<IgnoredAny>,
    responses: Option<BTreeMap<String, Vec<StoredItem>>>,
    unprocessed_keys: Option<BTreeMap<String, Unprocessed>>,
    consumed_capacity: Option<Units>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    keys: Vec<StoredItem>,
}

impl From<Body> for Answer {
    fn from(body: Body) -> Self {
        let mut items = body.items.unwrap_or_default();
        items.extend(body.item);
        for more in body.responses.into_iter().flat_map(BTreeMap::into_values) {
            items.extend(more);
        }
        let unprocessed = body.unprocessed_keys.into_iter().flat_map(BTreeMap::into_values);
        Self {
            items,
            more: body.last_evaluated_key.is_some(),
            unprocessed: unprocessed.flat_map(|table| table.keys).collect(),
            units: body.consumed_capacity.unwrap_or_default().0,
        }
    }
}

impl From<GetItemOutput> for Answer {
    fn from(output: GetItemOutput) -> Self {
        Self {
            units: of_tables(output.consumed_capacity()),
            items: output.item.into_iter().map(StoredItem::from).collect(),
            ..Self::default()
        }
    }
}

impl From<QueryOutput> for Answer {
    fn from(output: QueryOutput) -> Self {
        Self {
            units: of_tables(output.consumed_capacity()),
            more: output.last_evaluated_key.is_some(),
            items: output.items.into_iter().flatten().map(StoredItem::from).collect(),
            ..Self::default()
        }
    }
}

impl From<ScanOutput> for Answer {
    fn from(output: ScanOutput) -> Self {
        Self {
            units: of_tables(output.consumed_capacity()),
            more: output.last_evaluated_key.is_some(),
            items: output.items.into_iter().flatten().map(StoredItem::from).collect(),
            ..Self::default()
        }
    }
}

impl From<BatchGetItemOutput> for Answer {
    fn from(output: BatchGetItemOutput) -> Self {
        let units = of_tables(output.consumed_capacity());
        let tables = output.responses.into_iter().flat_map(HashMap::into_values);
        let unprocessed = output.unprocessed_keys.into_iter();
        Self {
            units,
            items: tables.flatten().map(StoredItem::from).collect(),
            more: false,
            unprocessed: unprocessed
                .flat_map(HashMap::into_values)
                .flat_map(|table| table.keys)
                .map(StoredItem::from)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        config::{BehaviorVersion, Config, Credentials, Region, SharedHttpClient, retry::RetryConfig},
        error::{ProvideErrorMetadata as _, SdkError},
        types::{AttributeValue, KeysAndAttributes},
    };
    use aws_smithy_runtime_api::client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::HttpRequest,
    };

    use super::*;

    /// Answers every request with this status and body.
    #[derive(Clone, Copy, Debug)]
    struct Canned(u16, &'static str);

    impl HttpConnector for Canned {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let response = HttpResponse::new(self.0.try_into().unwrap(), self.1.into());
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    impl HttpClient for Canned {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(*self)
        }
    }

    fn client(status: u16, body: &'static str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(SharedHttpClient::new(Canned(status, body)))
            .interceptor(DecodesAnswers);
        Client::from_conf(config.build())
    }

    async fn query(status: u16, body: &'static str) -> Result<Answer, String> {
        let query = client(status, body).query().table_name("t").send();
        decoded(query).await.map_err(|error| match error {
            SdkError::ServiceError(e) => e.err().code().unwrap_or("no code").to_owned(),
            error => format!("{error:?}"),
        })
    }

    /// The names of an item's attributes. Only what is decoded here has them in the order of the response.
    fn names(item: &StoredItem) -> String {
        item.iter().map(|(name, _)| name).collect()
    }

    #[tokio::test]
    async fn the_items_of_a_query_are_decoded_in_the_order_of_the_response() {
        let body = r#"{"Count": 2, "Items": [
            {"g": {"S": "x"}, "f": {"N": "1"}, "e": {"S": ""}, "d": {"S": ""}, "c": {"S": ""}, "b": {"S": ""}}, {}
        ], "ScannedCount": 2}"#;
        let answer = query(200, body).await.unwrap();
        assert_eq!(answer.items.iter().map(names).collect::<Vec<_>>(), ["gfedcb", ""]);
        assert_eq!(answer.items[0]["f"], AttributeValue::N("1".into()));
        assert!(!answer.more);
        let body = r#"{"Items": [], "LastEvaluatedKey": {"pk": {"S": "x"}}}"#;
        assert!(query(200, body).await.unwrap().more);
        let none = query(200, r#"{"Items": null, "LastEvaluatedKey": null}"#)
            .await
            .unwrap();
        assert!(none.items.is_empty() && !none.more);
    }

    #[tokio::test]
    async fn one_item_and_a_batch_are_decoded_too() {
        let one = |body| decoded(client(200, body).get_item().table_name("t").send());
        let answer = one(r#"{"Item": {"b": {"S": "x"}}}"#).await.unwrap();
        assert_eq!(answer.items[0]["b"], AttributeValue::S("x".into()));
        assert!(one("{}").await.unwrap().items.is_empty());

        let body = r#"{"Responses": {"t": [{"a": {"S": "x"}}]}, "UnprocessedKeys": {"t": {"ConsistentRead": true,
            "Keys": [{"pk": {"S": "p"}, "sk": {"S": "s"}}]}}}"#;
        let keys = KeysAndAttributes::builder().keys([("pk".into(), AttributeValue::S("p".into()))].into());
        let batch = client(200, body)
            .batch_get_item()
            .request_items("t", keys.build().unwrap());
        let answer = decoded(batch.send()).await.unwrap();
        assert_eq!(answer.items.iter().map(names).collect::<Vec<_>>(), ["a"]);
        assert_eq!(answer.unprocessed.iter().map(names).collect::<Vec<_>>(), ["pksk"]);
    }

    #[tokio::test]
    async fn what_is_not_understood_here_is_left_to_the_sdk() {
        let answer = query(200, r#"{"Items": [{"a": {"B": "AA=="}}]}"#).await.unwrap();
        assert_eq!(answer.items[0]["a"], AttributeValue::B([0].as_slice().into()));
        let refused = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "m"}"#;
        assert_eq!(query(400, refused).await.unwrap_err(), "ThrottlingException");
        assert!(query(200, r#"{"Items": [{"a": {"S": "x"}"#).await.is_err());
        assert!(query(200, "\u{fffd}").await.is_err());
    }

    #[tokio::test]
    async fn a_body_means_what_it_means_to_the_sdk() {
        let nested = |levels| {
            let (open, close) = (r#"{"L": [{"M": {"a": "#.repeat(levels), "}}]}".repeat(levels));
            format!(r#"{{"Items": [{{"a": {open}{{"S": "x"}}{close}}}]}}"#)
        };
        let large = format!(
            r#"{{"Items": [{{"a": {{"S": "{}"}}}}]}}"#,
            r#"\"é\u00e9"#.repeat(50_000)
        );
        let bodies = [
            // Texts, names and types with escapes.
            r#"{"Items": [{"\u0070k": {"\u0053": "\ud83d\ude00\u0000\/"}}], "Last\u0045valuatedKey": {}}"#,
            r#"{"Items": [{"a": {"S": "\ud83d"}}]}"#,
            "{\"Items\": [{\"a\": {\"S\": \"line\nbreak\"}}]}",
            // Every type, and what is no value.
            r#"{"Items": [{"a": {"BOOL": false}, "b": {"NULL": false}, "c": {"SS": []}, "d": {"M": {}}, "e": {"N": "1E+9"}}]}"#,
            r#"{"Items": [{"a": {"NS": ["1"]}, "b": {"BS": ["AA=="]}, "c": {"B": ""}, "d": {"S": "x"}}]}"#,
            r#"{"Items": [{"a": {"NEW": "x"}}, {"a": {"S": "x"}}]}"#,
            r#"{"Items": [{"a": {}}]}"#,
            r#"{"Items": [{"a": null}]}"#,
            r#"{"Items": [{"a": {"S": null}}]}"#,
            r#"{"Items": [{"a": {"S": "x", "N": "7"}}]}"#,
            r#"{"Items": [{"a": {"S": "x", "S": "y"}}]}"#,
            r#"{"Items": [{"a": {"S": 7}}]}"#,
            // Members that are absent, twice, unknown or of another type.
            r#"{"Items": [null, {}]}"#,
            r#"{"Items": {}}"#,
            r#"{"items": [{"a": {"S": "x"}}]}"#,
            r#"{"Items": [{"a": {"S": "x"}}], "Items": []}"#,
            r#"{"Items": [], "Another": [{"S": 1e400}], "LastEvaluatedKey": {"pk": {"B": "AA=="}}}"#,
            // Not one object.
            "",
            "null",
            "[]",
            "{} {}",
            "\u{feff}{}",
            " {} ",
            &nested(10),
            &nested(40),
            &large,
        ];
        for body in bodies.map(|body| body.to_owned().leak()) {
            let sdk = client(200, body).query().table_name("t").send().await;
            let sdk = sdk.ok().map(Answer::from);
            let ours = query(200, body).await.ok();
            let comparable = |answer: Option<Answer>| answer.map(|answer| (answer.items, answer.more));
            assert_eq!(comparable(ours), comparable(sdk), "{body:.200}");
        }
    }

    #[tokio::test]
    async fn another_call_is_the_sdks() {
        let output = client(200, r#"{"Item": {"a": {"S": "x"}}}"#)
            .get_item()
            .table_name("t")
            .send();
        let item = output.await.unwrap().item.unwrap();
        assert_eq!(item["a"], AttributeValue::S("x".into()));
    }
}
