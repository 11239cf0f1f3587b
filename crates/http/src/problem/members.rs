//! The members that some problems have beside the standard ones: with which codes, and of which kind.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Object, Ref, RefOr};

use super::code::ProblemCode;

/// One of them. It may be missing where it says nothing.
struct Member {
    name: &'static str,
    codes: &'static [ProblemCode],
    kind: Kind,
    description: &'static str,
}

/// What a member's value is.
#[derive(Clone, Copy)]
enum Kind {
    /// An instant of RFC 3339.
    Instant,
    /// A count that fits 64 bits.
    Count,
    /// A schema of this name.
    Named(&'static str),
    /// Any text.
    Text,
}

/// All of them. [`Problem::member`](super::Problem::member) takes no other.
const MEMBERS: &[Member] = &[
    Member {
        name: "poll",
        codes: &[ProblemCode::UnknownPoll],
        kind: Kind::Text,
        description: "The poll's id that the request named.",
    },
    Member {
        name: "opens_at",
        codes: &[ProblemCode::PollNotOpen],
        kind: Kind::Instant,
        description: "When the poll opens, where that is known.",
    },
    Member {
        name: "closed_at",
        codes: &[ProblemCode::PollClosed],
        kind: Kind::Instant,
        description: "When the poll closed, where that is known.",
    },
    Member {
        name: "candidate",
        codes: &[ProblemCode::CandidateWithdrawn],
        kind: Kind::Text,
        description: "The candidate's id.",
    },
    Member {
        name: "withdrawn_at",
        codes: &[ProblemCode::CandidateWithdrawn],
        kind: Kind::Instant,
        description: "When the candidate left the poll.",
    },
    Member {
        name: "direction",
        codes: &[ProblemCode::DirectionMismatch],
        kind: Kind::Named("Direction"),
        description: "What a vote means in this poll.",
    },
    Member {
        name: "eligibility",
        codes: &[
            ProblemCode::EligibilityNotAvailable,
            ProblemCode::ProofRequired,
            ProblemCode::GatewayRequired,
        ],
        kind: Kind::Named("Eligibility"),
        description: "What the channel asks a voter for.",
    },
    Member {
        name: "challenge",
        codes: &[
            ProblemCode::ProofRequired,
            ProblemCode::ProofInvalid,
            ProblemCode::ProofMismatch,
            ProblemCode::ProofExpired,
            ProblemCode::ProofUsed,
        ],
        kind: Kind::Text,
        description: "Where to get a challenge: a path of this service.",
    },
    Member {
        name: "limit_bytes",
        codes: &[ProblemCode::BodyTooLarge],
        kind: Kind::Count,
        description: "The most bytes that a body may have.",
    },
    Member {
        name: "limit_lines",
        codes: &[ProblemCode::BodyTooLarge],
        kind: Kind::Count,
        description: "The most lines that a batch may have.",
    },
];

/// Whether problems of that code may have a member of that name.
pub(super) fn is_declared(code: ProblemCode, name: &str) -> bool {
    MEMBERS
        .iter()
        .any(|member| member.name == name && member.codes.contains(&code))
}

/// Adds all of them to the schema of a problem's body.
pub(crate) fn declare(problem: &mut Object) {
    for member in MEMBERS {
        problem
            .properties
            .insert(member.name.to_owned(), member.schema());
    }
}

impl Member {
    fn schema(&self) -> RefOr<Schema> {
        let codes: Vec<String> = self
            .codes
            .iter()
            .map(|code| format!("`{}`", code.as_str()))
            .collect();
        let description = format!("With {}: {}", codes.join(", "), self.description);
        let object = ObjectBuilder::new().description(Some(description.clone()));
        match self.kind {
            Kind::Instant => object
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                .into(),
            Kind::Count => object
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .minimum(Some(0))
                .into(),
            Kind::Text => object.schema_type(Type::String).into(),
            Kind::Named(name) => {
                let mut reference = Ref::from_schema_name(name);
                reference.description = description;
                RefOr::Ref(reference)
            }
        }
    }
}
