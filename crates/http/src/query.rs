//! Query parameters: those that an operation knows, those that others add to links, and all others, which are refused.
//!
//! A parameter that is not known is a typing error: `?timezone=…` would otherwise be answered in another zone than
//! was asked for, without a word. Ad and mail systems and cache busters add theirs to any link, and mean nothing by
//! it. What is ignored is no part of any page's key.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use url::form_urlencoded;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi as Document, RefOr};

use crate::problem::{Problem, ProblemCode, echo};

/// Names that are ignored on every operation, beside all that begin with `utm_`.
const IGNORED: [&str; 3] = ["_", "fbclid", "gclid"];

/// A parameter's name and value, decoded.
pub type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a query, decoded, without those that are ignored.
///
/// # Errors
/// `invalid-query`: a parameter that is not among `known`, or one that is given twice.
pub fn parameters<'a>(
    query: &'a str,
    known: &[impl AsRef<str>],
) -> Result<Vec<Parameter<'a>>, Problem> {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.starts_with("utm_") || IGNORED.contains(&name.as_ref()) {
            continue;
        }
        if !known.iter().any(|known| known.as_ref() == name) {
            let name = echo(&name);
            return Err(invalid(format!(
                "The query parameter {name} is unknown: {}.",
                takes(known)
            )));
        }
        // At most as many are kept as are known.
        if parameters.iter().any(|(before, _)| *before == name) {
            let name = echo(&name);
            return Err(invalid(format!(
                "The query parameter {name} is given twice."
            )));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

crate::problem_groups! {
    /// Of every operation: what a query can meet.
    pub(crate) QueryProblems = [InvalidQuery];
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemCode::InvalidQuery).detail(detail)
}

fn takes(known: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        None => "this operation takes none".to_owned(),
        Some((only, [])) => format!("this operation takes {only}"),
        Some((last, others)) => format!("this operation takes {} and {last}", others.join(", ")),
    }
}

/// The query parameters of every operation.
#[derive(Clone)]
pub(crate) struct QueryTable(Arc<[Row]>);

struct Row {
    pattern: String,
    method: Method,
    known: Vec<String>,
}

impl QueryTable {
    /// As the service's document has them.
    pub(crate) fn new(document: &Document) -> Self {
        let mut rows = Vec::new();
        for (pattern, item) in &document.paths.paths {
            for (method, operation) in [(Method::GET, &item.get), (Method::POST, &item.post)] {
                if let Some(operation) = operation {
                    rows.push(Row {
                        pattern: pattern.clone(),
                        method,
                        known: known(operation),
                    });
                }
            }
        }
        Self(rows.into())
    }

    /// Refuses a request whose query its operation does not take. What is no operation has another answer.
    pub(crate) fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let query = request.query_string();
        if query.is_empty() {
            return Ok(());
        }
        let Some(pattern) = request.match_pattern() else {
            return Ok(());
        };
        let mut rows = self.0.iter();
        match rows.find(|row| row.pattern == pattern && row.method == request.method()) {
            Some(row) => parameters(query, &row.known).map(|_read| ()),
            None => Ok(()),
        }
    }
}

fn known(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            // Ours are all written where they are used.
            RefOr::Ref(_) => None,
        })
        .filter(|parameter| matches!(parameter.parameter_in, ParameterIn::Query))
        .map(|parameter| parameter.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(query: &str, known: &[&str]) -> String {
        let problem = parameters(query, known).expect_err(query);
        assert_eq!(problem.code(), ProblemCode::InvalidQuery);
        let body: serde_json::Value = serde_json::from_slice(&problem.body()).expect("JSON");
        body["detail"].as_str().expect("text").to_owned()
    }

    #[test]
    fn what_others_add_to_links_is_left_out() {
        let read = parameters(
            "_=1700&_=1701&utm_source=a&utm_=&tz=America%2FManaus&fbclid=x&gclid=y&&u%74m_id=1",
            &["tz"],
        );
        assert_eq!(
            read.expect("fine"),
            [("tz".into(), "America/Manaus".into())]
        );
        assert!(parameters("", &["tz"]).expect("fine").is_empty());
    }

    #[test]
    fn others_are_refused_by_name_with_what_is_known() {
        for (query, known, said) in [
            (
                "x=1",
                &[][..],
                "\"x\" is unknown: this operation takes none.",
            ),
            (
                "tz=1&x",
                &["tz"],
                "\"x\" is unknown: this operation takes tz.",
            ),
            ("TZ=1", &["tz"], "\"TZ\" is unknown"),
            ("=1", &["tz"], "\"\" is unknown"),
            ("tz[]=1", &["tz"], "\"tz[]\" is unknown"),
            ("__=1", &["tz"], "\"__\" is unknown"),
            ("utm=1", &["tz"], "\"utm\" is unknown"),
            ("UTM_source=1", &["tz"], "\"UTM_source\" is unknown"),
            ("%00%ff=1", &["tz"], "\"\\0\u{fffd}\" is unknown"),
            ("a=1", &["from", "until", "tz"], "takes from, until and tz."),
            ("tz=1&tz=1", &["tz"], "\"tz\" is given twice."),
        ] {
            let detail = refused(query, known);
            assert!(detail.contains(said), "{query}: {detail}");
        }
        let detail = refused(&"x".repeat(100_000), &["tz"]);
        assert!(detail.len() < 300, "{detail}");
    }

    proptest! {
        /// What is kept is known and there once, and what is said of all else is short.
        #[test]
        fn any_query_is_read_or_refused(query in prop_oneof!["\\PC{0,300}", "(tz|from|_|utm_x|x|%|&|=|\\+|%7){0,60}"]) {
            match parameters(&query, &["tz", "from"]) {
                Ok(read) => prop_assert!(read.len() <= 2 && read.iter().all(|(name, _)| name == "tz" || name == "from")),
                Err(problem) => prop_assert!(problem.body().len() < 2_000),
            }
        }

        #[test]
        fn what_a_client_writes_is_read_as_it_was(tz in any::<String>(), from in any::<String>()) {
            let mut written = form_urlencoded::Serializer::new(String::new());
            written.append_pair("from", &from).append_pair("tz", &tz);
            let query = written.finish();
            let read = parameters(&query, &["tz", "from"]).expect("known");
            prop_assert_eq!(read, [("from".into(), from.into()), ("tz".into(), Cow::from(tz))]);
        }
    }
}
