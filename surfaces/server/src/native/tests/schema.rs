//! Validates values against the schemas of the OpenAPI document: as much of JSON Schema as it uses.

use serde_json::Value;

/// What is wrong with `value` under the schema of this name; nothing if all is well.
pub(super) fn faults(document: &Value, name: &str, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, &document["components"]["schemas"][name], value, name, &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        faults.push(format!("{at}: no schema"));
        return;
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return check(document, target, value, at, faults);
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let fits = |choice: &&Value| {
            let mut faults = Vec::new();
            check(document, choice, value, at, &mut faults);
            faults.is_empty()
        };
        if choices.iter().filter(fits).count() != 1 {
            faults.push(format!("{at}: fits not exactly one of {choices:?}"));
        }
        return;
    }
    if let Some(kinds) = schema.get("type") {
        let kinds = kinds.as_array().cloned().unwrap_or_else(|| vec![kinds.clone()]);
        let is = |kind: &Value| match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("{at}: unknown type {other}"),
        };
        if !kinds.iter().any(is) {
            faults.push(format!("{at}: {value} is none of {kinds:?}"));
        }
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        faults.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let (Some(least), Some(value)) =
        (schema.get("minimum").and_then(Value::as_f64), value.as_f64())
        && value < least
    {
        faults.push(format!("{at}: {value} is below {least}"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (i, value) in values.iter().enumerate() {
            check(document, items, value, &format!("{at}[{i}]"), faults);
        }
    }
    let Some(object) = value.as_object() else { return };
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !object.contains_key(key.as_str().unwrap()) {
            faults.push(format!("{at}: {key} is missing"));
        }
    }
    for (key, value) in object {
        let at = format!("{at}.{key}");
        match (
            schema.get("properties").and_then(|all| all.get(key)),
            schema.get("additionalProperties"),
        ) {
            (Some(schema), _) => check(document, schema, value, &at, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{at} is not in the schema")),
            (None, Some(schema @ Value::Object(_))) => check(document, schema, value, &at, faults),
            (None, _) => {}
        }
    }
}
