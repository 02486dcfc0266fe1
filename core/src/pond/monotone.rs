//! Whether the state of a built-in fold can be taken back by events that arrive later.

use crate::event::cbor::Value;
use crate::pond::builtin::BuiltIn;
use crate::query::Monotonicity;

impl BuiltIn {
    /// Whether its state can be taken back by events that arrive later.
    pub fn monotonicity(&self) -> Monotonicity {
        let definition = Value::decode(self.as_bytes());
        definition.map_or_else(|_| unknown(), |value| of_definition(&value))
    }
}

fn unknown() -> Monotonicity {
    Monotonicity::of_code(false, None)
}

/// Of a definition such as `{"fold": "count"}`. What is none is judged as code of an application.
fn of_definition(definition: &Value) -> Monotonicity {
    let Value::Map(fields) = definition else { return unknown() };
    let Some(Value::Text(name)) = fields.get("fold") else { return unknown() };
    match name.as_str() {
        "count" => Monotonicity::one_way("a count never falls"),
        "min" => Monotonicity::one_way("a least value never rises"),
        "max" => Monotonicity::one_way("a greatest value never falls"),
        "sum" => Monotonicity::not_monotone("what arrives may be positive or negative"),
        "latest" => Monotonicity::not_monotone("a later event may arrive at any time"),
        "earliest" => Monotonicity::not_monotone("an earlier event may arrive at any time"),
        "group" => {
            let groups = Monotonicity::monotone("groups only become more");
            groups.and(of_definition(fields.get("each").unwrap_or(&Value::Null)))
        }
        "all" => {
            let Some(Value::Map(folds)) = fields.get("folds") else {
                return unknown();
            };
            let nothing = Monotonicity::monotone("there is nothing in it");
            folds.values().map(of_definition).fold(nothing, Monotonicity::and)
        }
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Verdict;

    #[test]
    fn the_part_of_a_built_in_fold_of_which_least_holds_decides() {
        let fold = |name: &str| Value::map([("fold", Value::from(name))]);
        let group = |each: Value| Value::map([("fold", Value::from("group")), ("each", each)]);
        let all = |folds: &[&str]| {
            let folds = folds.iter().map(|name| (*name, fold(name)));
            Value::map([("fold", Value::from("all")), ("folds", Value::map(folds))])
        };
        for (definition, verdict) in [
            (fold("count"), Verdict::OneWay),
            (fold("min"), Verdict::OneWay),
            (fold("max"), Verdict::OneWay),
            (fold("sum"), Verdict::NotMonotone),
            (fold("latest"), Verdict::NotMonotone),
            (fold("earliest"), Verdict::NotMonotone),
            (group(group(fold("count"))), Verdict::OneWay),
            (group(fold("latest")), Verdict::NotMonotone),
            (all(&["count", "max"]), Verdict::OneWay),
            (all(&["count", "sum"]), Verdict::NotMonotone),
            (all(&[]), Verdict::Monotone),
            (fold("median"), Verdict::NotMonotone),
            (Value::Null, Verdict::NotMonotone),
        ] {
            assert_eq!(of_definition(&definition).verdict(), verdict, "{definition:?}");
        }
    }
}
