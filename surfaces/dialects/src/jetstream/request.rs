//! The JSON-RPC request of a call as JetStream's console has it: `send.getConnection
//! "connectionId":"…"`.

use serde_json::{Map, Value};

/// Parameters that are neither JSON nor pairs of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected parameters such as \"connectionId\":\"…\", {{\"limit\":10}} or [\"…\"]")]
pub struct ParametersError;

/// The request that calls `method` with `parameters`: none, an object, an array, or pairs
/// `"name":value` with white space or commas in between.
///
/// # Errors
/// If `parameters` are none of these.
pub fn request(method: &str, parameters: &str) -> Result<String, ParametersError> {
    let mut request = Map::new();
    request.insert("jsonrpc".to_owned(), "2.0".into());
    request.insert("method".to_owned(), method.into());
    match parameters.trim() {
        "" => {}
        text => {
            request.insert("params".to_owned(), read(text)?);
        }
    }
    request.insert("id".to_owned(), 1.into());
    Ok(Value::Object(request).to_string())
}

fn read(text: &str) -> Result<Value, ParametersError> {
    if text.starts_with(['{', '[']) {
        return serde_json::from_str(text).map_err(|_| ParametersError);
    }
    let mut pairs = Map::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = first_value(rest)?;
        let Value::String(name) = name else { return Err(ParametersError) };
        let after = after.trim_start().strip_prefix(':').ok_or(ParametersError)?;
        let (value, after) = first_value(after)?;
        pairs.insert(name, value);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Ok(Value::Object(pairs))
}

/// The JSON value at the start of `text`, and the rest.
fn first_value(text: &str) -> Result<(Value, &str), ParametersError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next().and_then(Result::ok).ok_or(ParametersError)?;
    let rest = text.get(values.byte_offset()..).unwrap_or_default();
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ParametersError, request};

    #[test]
    fn parameters_are_json_or_the_pairs_of_the_console() {
        let cases = [
            ("", Value::Null),
            (r#"{"limit":10}"#, json!({"limit": 10})),
            (r#"["a", 2]"#, json!(["a", 2])),
            (r#""connectionId":"a""#, json!({"connectionId": "a"})),
            (r#" "after" : "a b"  "limit":2 "#, json!({"after": "a b", "limit": 2})),
            (r#""after":"a","limit":2"#, json!({"after": "a", "limit": 2})),
        ];
        for (text, params) in cases {
            let request = request("m", text).expect(text);
            let request: Value = serde_json::from_str(&request).expect("a JSON object");
            assert_eq!(request["params"], params, "{text}");
            let (version, method, id) = (&request["jsonrpc"], &request["method"], &request["id"]);
            assert_eq!((version, method, id), (&json!("2.0"), &json!("m"), &json!(1)), "{text}");
        }
    }

    #[test]
    fn other_parameters_are_refused() {
        for text in ["a", "5", "{", "[1", r#""a""#, r#""a":"#, r#"1:2"#, r#""a":b"#, r#"("a")"#] {
            assert_eq!(request("m", text), Err(ParametersError), "{text}");
        }
    }
}
