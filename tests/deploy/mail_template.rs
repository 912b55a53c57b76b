//! Guarantee 77: what the template declares for mails.

use marquee_mail::Settings;
use marquee_shared::{
    config::Config,
    db::{
        keys::OUTBOX,
        outbox::{LANES, LATEST_SECONDS},
    },
};
use serde_json::{Value, json};

use super::stack::{Stack, placeholders, texts};

const FROM: (&str, &str) = ("MailFrom", "movies@example.com");

/// The resources that only mails need.
const OF_MAIL: [&str; 7] = [
    "MailFunction",
    "MailSource",
    "MailRole",
    "MailLogs",
    "MailFailures",
    "MailAlarm",
    "MailErrorsAlarm",
];

#[test]
fn without_a_sender_nothing_of_mail_is_deployed_and_auth_has_no_sender() {
    let (without, with) = (Stack::new(&[]), Stack::new(&[FROM]));
    for id in OF_MAIL {
        assert!(without.0["Resources"].get(id).is_none(), "{id}");
        assert!(with.0["Resources"].get(id).is_some(), "{id}");
    }
    assert!(without.properties("Table").get("StreamSpecification").is_none());
    // The keys suffice, and items hold emails and hashes.
    assert_eq!(
        with.properties("Table")["StreamSpecification"],
        json!({"StreamViewType": "KEYS_ONLY"})
    );
    for (stack, sender) in [(without, None), (with, Some(FROM.1))] {
        for (id, variables) in stack.variables() {
            let is_told = variables.get("MAIL_FROM").is_some();
            assert_eq!(is_told, ["AuthFunction", "MailFunction"].contains(&id), "{id}");
        }
        let auth = &stack.variables()["AuthFunction"];
        let config = Config::from_lookup(|name| Some(auth.get(name)?.as_str()?.to_owned())).unwrap();
        assert_eq!(
            config
                .mail_from
                .as_ref()
                .map(marquee_shared::domain::Email::as_str),
            sender
        );
    }
}

#[test]
fn the_stream_invokes_the_function_with_new_items_of_the_outbox_only() {
    let stack = Stack::new(&[FROM]);
    let function = &stack.functions()["MailFunction"];
    assert!(function.get("Events").is_none(), "nothing else invokes it");
    let source = stack.properties("MailSource");
    assert_eq!(source["FunctionName"], json!({"Ref": "MailFunction"}));
    assert_eq!(source["EventSourceArn"], json!({"Fn::GetAtt": "Table.StreamArn"}));
    let filters = source["FilterCriteria"]["Filters"].as_array().unwrap();
    assert_eq!(filters.len(), 1);
    let pattern: Value = serde_json::from_str(filters[0]["Pattern"].as_str().unwrap()).unwrap();
    assert_eq!(
        pattern,
        json!({"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": OUTBOX}]}}}})
    );
    // The function reports the record from which on the stream must repeat.
    assert_eq!(
        source["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    assert_eq!(source["BisectBatchOnFunctionError"], true);
    assert_eq!(source["ParallelizationFactor"], LANES);
    assert_eq!(source["MaximumRecordAgeInSeconds"], LATEST_SECONDS);
    assert!(source["MaximumRetryAttempts"].as_u64().unwrap() > 3);
    // Ten mails, each within the time that the function gives to one before it is reported.
    assert_eq!(
        (&source["BatchSize"], &function["Timeout"]),
        (&json!(10), &json!(60))
    );
}

#[test]
fn what_could_not_be_sent_goes_to_a_queue_with_an_alarm() {
    let stack = Stack::new(&[FROM]);
    assert_eq!(
        stack.properties("MailSource")["DestinationConfig"],
        json!({"OnFailure": {"Destination": {"Fn::GetAtt": "MailFailures.Arn"}}})
    );
    assert_eq!(
        *stack.properties("MailFailures"),
        json!({"SqsManagedSseEnabled": true, "MessageRetentionPeriod": 14 * 24 * 3600})
    );
    let alarm = stack.alarms()["MailAlarm"];
    assert_eq!(
        (&alarm["Namespace"], &alarm["MetricName"]),
        (&json!("AWS/SQS"), &json!("ApproximateNumberOfMessagesVisible"))
    );
    assert_eq!(
        alarm["Dimensions"],
        json!([{"Name": "QueueName", "Value": {"Fn::GetAtt": "MailFailures.QueueName"}}])
    );
    assert_eq!(
        (&alarm["Statistic"], &alarm["Threshold"]),
        (&json!("Maximum"), &json!(0))
    );
}

/// Never to the host of a request: whoever asks for a mail could then choose where its token is sent.
#[test]
fn mails_link_to_the_deployments_own_address() {
    let domain = [
        ("DomainName", "api.example.com"),
        (
            "CertificateArn",
            "arn:aws:acm:us-east-1:123456789012:certificate/x",
        ),
    ];
    let own = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}";
    for (parameters, url) in [
        (vec![FROM], json!({"Fn::Sub": own})),
        (
            vec![FROM, domain[0], domain[1]],
            json!({"Fn::Sub": "https://${DomainName}"}),
        ),
        (
            vec![FROM, ("PublicUrl", "https://movies.example")],
            json!("https://movies.example"),
        ),
        (
            vec![
                FROM,
                domain[0],
                domain[1],
                ("PublicUrl", "https://movies.example"),
            ],
            json!("https://movies.example"),
        ),
    ] {
        let stack = Stack::new(&parameters);
        let variables = &stack.variables()["MailFunction"];
        assert_eq!(variables["PUBLIC_URL"], url);
        let config = Config::from_lookup(|name| {
            let value = variables.get(name)?;
            let url = value["Fn::Sub"]
                .as_str()
                .map(|_| "https://api.example.com".to_owned());
            url.or_else(|| value.as_str().map(str::to_owned))
        });
        let settings = Settings::of(&config.unwrap()).unwrap();
        assert_eq!((&*settings.from, settings.reset_seconds), (FROM.1, 1800));
    }
    for missing in ["MAIL_FROM", "PUBLIC_URL"] {
        let config = Config::from_lookup(|name| match name {
            name if name == missing => None,
            "MAIL_FROM" => Some(FROM.1.to_owned()),
            "PUBLIC_URL" => Some("https://movies.example".to_owned()),
            _ => None,
        });
        let error = Settings::of(&config.unwrap()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{missing} must be ")), "{error}");
    }
}

/// A restored table isn't a resource of the stack, so its stream is named by a parameter.
#[test]
fn an_existing_table_has_its_stream_named() {
    let stack = Stack::new(&[
        FROM,
        ("ManageTable", "false"),
        ("TableName", "restored"),
        ("TableStreamLabel", "2026-11-27T00:00:00.000"),
    ]);
    let arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}/stream/${TableStreamLabel}";
    assert_eq!(
        stack.properties("MailSource")["EventSourceArn"],
        json!({"Fn::Sub": arn})
    );
    for text in texts(&stack.0["Resources"]) {
        let names_it =
            text.starts_with("Table.") || placeholders(text).any(|name| name.starts_with("Table."));
        assert!(!names_it, "{text:?} needs the table's resource");
    }
    let policies = texts(stack.properties("MailRole"));
    assert!(policies.contains(&arn), "{policies:?}");
    let rule = &stack.0["Rules"]["MailNeedsStream"]["Assertions"][0]["AssertDescription"];
    assert_eq!(rule, "MailFrom with an existing table requires TableStreamLabel");
}

/// SES evaluates the identity by which the sender is verified: the address, or a domain.
#[test]
fn only_the_sender_may_be_used_whichever_identity_verifies_it() {
    for (parameters, identity) in [
        (vec![FROM], "${MailFrom}"),
        (vec![FROM, ("MailIdentity", "example.com")], "${MailIdentity}"),
    ] {
        let stack = Stack::new(&parameters);
        let policy = &stack.properties("MailRole")["Policies"][0]["PolicyDocument"]["Statement"];
        let mut sending = policy.as_array().unwrap().iter().filter(|statement| {
            texts(&statement["Action"])
                .iter()
                .any(|action| action.starts_with("ses:"))
        });
        let statement = sending.next().unwrap();
        assert!(sending.next().is_none());
        let arn =
            format!("arn:${{AWS::Partition}}:ses:${{AWS::Region}}:${{AWS::AccountId}}:identity/{identity}");
        assert_eq!(statement["Resource"], json!({"Fn::Sub": arn}));
        assert_eq!(statement["Action"], json!(["ses:SendEmail", "ses:SendRawEmail"]));
        assert_eq!(
            statement["Condition"],
            json!({"StringEquals": {"ses:FromAddress": FROM.1}})
        );
    }
}
