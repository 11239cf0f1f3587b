//! What a voter is told of a vote that was not recorded, or of which nobody knows, by the code of the problem.

/// What to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What has happened.
    pub title: &'static str,
    /// What to do now.
    pub what: &'static str,
    /// Whether the same vote can be sent again, under the same key.
    pub can_repeat: bool,
}

const fn once(title: &'static str, what: &'static str) -> Advice {
    Advice {
        title,
        what,
        can_repeat: false,
    }
}

const fn again(title: &'static str, what: &'static str) -> Advice {
    Advice {
        title,
        what,
        can_repeat: true,
    }
}

pub(super) fn portuguese(code: &str) -> Advice {
    match code {
        "poll-not-open" => once(
            "A votação ainda não abriu",
            "Seu voto não foi registrado. Volte quando ela abrir.",
        ),
        "poll-paused" => again(
            "A votação está pausada",
            "Seu voto não foi registrado. Espere um pouco e envie de novo.",
        ),
        "poll-closed" => once(
            "A votação está encerrada",
            "Este envio não registrou nada. Se você já tinha votado, o recibo diz se o voto está na contagem.",
        ),
        "poll-void" => once(
            "A votação foi anulada",
            "Nenhum voto vale. Este envio não registrou nada.",
        ),
        "candidate-withdrawn" => once(
            "Esta pessoa está fora da votação",
            "Seu voto não foi registrado. Volte e escolha entre as outras.",
        ),
        "vote-limit-reached" => once(
            "Você já usou seus votos",
            "Este voto não foi registrado: o canal tem um limite de votos por pessoa.",
        ),
        "eligibility-not-available" | "gateway-required" => once(
            "Por este canal não se vota nesta página",
            "Seu voto não foi registrado. Volte e escolha outro canal.",
        ),
        code if code.starts_with("proof-") => once(
            "Seu navegador precisa provar de novo que é um navegador",
            "Este envio não registrou nada. Volte à página da votação e vote de novo.",
        ),
        _ => portuguese_of_requests(code),
    }
}

/// The same where it is the request or the service that is at fault.
fn portuguese_of_requests(code: &str) -> Advice {
    match code {
        "unknown-poll" | "malformed-poll-id" => once(
            "Esta votação não existe",
            "Nenhum voto foi registrado. Confira o endereço.",
        ),
        "cross-site-form" => once(
            "O voto veio de outro site",
            "Ele não foi registrado. Vote na página da votação.",
        ),
        "idempotency-key-reused" => once(
            "Este voto já foi enviado de outro jeito",
            "Só o primeiro conta. Para votar de novo, volte à página da votação.",
        ),
        "outcome-unknown" => again(
            "Não sabemos se seu voto foi registrado",
            "Envie de novo agora: o mesmo voto conta uma vez só.",
        ),
        "rate-limited" => again(
            "Votos demais desta rede",
            "Seu voto não foi registrado. Espere um pouco e envie de novo: ele conta uma vez só.",
        ),
        "overloaded" | "not-recorded" | "store-unavailable" | "draining" => again(
            "O serviço está ocupado",
            "Seu voto não foi registrado. Envie de novo: ele conta uma vez só.",
        ),
        _ => once(
            "Seu voto não foi registrado",
            "O pedido não pôde ser lido. Volte à página da votação e vote de novo.",
        ),
    }
}

pub(super) fn english(code: &str) -> Advice {
    match code {
        "poll-not-open" => once(
            "Voting has not opened yet",
            "Your vote was not recorded. Come back when it opens.",
        ),
        "poll-paused" => again(
            "Voting is paused",
            "Your vote was not recorded. Wait a little, and send it again.",
        ),
        "poll-closed" => once(
            "Voting is closed",
            "This request recorded nothing. If you had voted before, your receipt says whether that vote is counted.",
        ),
        "poll-void" => once(
            "The poll is void",
            "No vote counts. This request recorded nothing.",
        ),
        "candidate-withdrawn" => once(
            "This person has left the poll",
            "Your vote was not recorded. Go back and choose another one.",
        ),
        "vote-limit-reached" => once(
            "You have used your votes",
            "This vote was not recorded: the channel has a limit for each person.",
        ),
        "eligibility-not-available" | "gateway-required" => once(
            "This channel can't be used here",
            "Your vote was not recorded. Go back and choose another channel.",
        ),
        code if code.starts_with("proof-") => once(
            "Your browser has to prove again that it is one",
            "This request recorded nothing. Go back to the poll's page and vote again.",
        ),
        _ => english_of_requests(code),
    }
}

/// The same where it is the request or the service that is at fault.
fn english_of_requests(code: &str) -> Advice {
    match code {
        "unknown-poll" | "malformed-poll-id" => once(
            "There is no such poll",
            "No vote was recorded. Check the address.",
        ),
        "cross-site-form" => once(
            "The vote came from another site",
            "It was not recorded. Vote on the poll's own page.",
        ),
        "idempotency-key-reused" => once(
            "This vote was sent before in another way",
            "Only the first one counts. To vote again, go back to the poll's page.",
        ),
        "outcome-unknown" => again(
            "We don't know whether your vote was recorded",
            "Send it again now: the same vote counts once.",
        ),
        "rate-limited" => again(
            "Too many votes from this network",
            "Your vote was not recorded. Wait a little, and send it again: it counts once.",
        ),
        "overloaded" | "not-recorded" | "store-unavailable" | "draining" => again(
            "The service is busy",
            "Your vote was not recorded. Send it again: it counts once.",
        ),
        _ => once(
            "Your vote was not recorded",
            "The request could not be read. Go back to the poll's page and vote again.",
        ),
    }
}

pub(super) fn spanish(code: &str) -> Advice {
    match code {
        "poll-not-open" => once(
            "La votación aún no ha abierto",
            "Tu voto no se registró. Vuelve cuando abra.",
        ),
        "poll-paused" => again(
            "La votación está en pausa",
            "Tu voto no se registró. Espera un poco y envíalo de nuevo.",
        ),
        "poll-closed" => once(
            "La votación está cerrada",
            "Este envío no registró nada. Si ya habías votado, tu recibo dice si ese voto está en el recuento.",
        ),
        "poll-void" => once(
            "La votación fue anulada",
            "Ningún voto vale. Este envío no registró nada.",
        ),
        "candidate-withdrawn" => once(
            "Esta persona está fuera de la votación",
            "Tu voto no se registró. Vuelve y elige a otra.",
        ),
        "vote-limit-reached" => once(
            "Ya usaste tus votos",
            "Este voto no se registró: el canal tiene un límite por persona.",
        ),
        "eligibility-not-available" | "gateway-required" => once(
            "Por este canal no se vota en esta página",
            "Tu voto no se registró. Vuelve y elige otro canal.",
        ),
        code if code.starts_with("proof-") => once(
            "Tu navegador tiene que volver a demostrar que lo es",
            "Este envío no registró nada. Vuelve a la página de la votación y vota de nuevo.",
        ),
        _ => spanish_of_requests(code),
    }
}

/// The same where it is the request or the service that is at fault.
fn spanish_of_requests(code: &str) -> Advice {
    match code {
        "unknown-poll" | "malformed-poll-id" => once(
            "Esta votación no existe",
            "No se registró ningún voto. Revisa la dirección.",
        ),
        "cross-site-form" => once(
            "El voto vino de otro sitio",
            "No se registró. Vota en la página de la votación.",
        ),
        "idempotency-key-reused" => once(
            "Este voto ya se envió de otra forma",
            "Solo cuenta el primero. Para votar de nuevo, vuelve a la página de la votación.",
        ),
        "outcome-unknown" => again(
            "No sabemos si tu voto se registró",
            "Envíalo de nuevo ahora: el mismo voto cuenta una sola vez.",
        ),
        "rate-limited" => again(
            "Demasiados votos desde esta red",
            "Tu voto no se registró. Espera un poco y envíalo de nuevo: cuenta una sola vez.",
        ),
        "overloaded" | "not-recorded" | "store-unavailable" | "draining" => again(
            "El servicio está ocupado",
            "Tu voto no se registró. Envíalo de nuevo: cuenta una sola vez.",
        ),
        _ => once(
            "Tu voto no se registró",
            "No se pudo leer el pedido. Vuelve a la página de la votación y vota de nuevo.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_agree_on_what_can_be_repeated() {
        for code in [
            "poll-not-open",
            "poll-paused",
            "poll-closed",
            "outcome-unknown",
            "rate-limited",
            "overloaded",
            "not-recorded",
            "store-unavailable",
            "draining",
            "cross-site-form",
            "idempotency-key-reused",
            "never-heard-of",
        ] {
            let can_repeat = portuguese(code).can_repeat;
            assert_eq!(english(code).can_repeat, can_repeat, "{code}");
            assert_eq!(spanish(code).can_repeat, can_repeat, "{code}");
        }
        assert!(portuguese("outcome-unknown").can_repeat);
        assert!(!portuguese("poll-closed").can_repeat);
    }
}
