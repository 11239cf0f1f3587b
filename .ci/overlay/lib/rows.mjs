// Bodies of `results.rows.json`, as the results service writes them.

const PEOPLE = ["Ana Clara", "Bia", "Caio", "Duda", "Enzo", "Fabi", "Gil", "Hugo", "Iara", "Juca", "Kika", "Léo"];

/**
 * Rows of a live poll on air; `percents` has a number for each candidate, `head` what differs in the poll's fields.
 * @param {number[]} percents
 */
export function rowsOf(percents, head = {}, each = {}) {
  const order = percents.slice().sort((a, b) => b - a);
  return percents.map((percent, index) => ({
    id: PEOPLE[index].split(" ")[0].toLowerCase().normalize("NFD").replace(/[^a-z]/g, ""),
    name: PEOPLE[index],
    rank: order.indexOf(percent) + 1,
    votes: Math.round(percent * 1000),
    votes_text: String(Math.round(percent * 1000)),
    percent,
    percent_text: percent.toFixed(2).replace(".", ",") + " %",
    photo: "",
    color: "",
    withdrawn: false,
    ...(each[index] || {}),
    poll: "paredao-01",
    title: "Paredão 1",
    state: "open",
    status: "provisional",
    direction: "eliminate",
    kind: "live",
    as_of: "2026-11-24T01:02:03.250Z",
    revision: 100,
    total_votes_text: "100.000",
    release: "released",
    on_air: true,
    closes_at: "2026-11-24T02:00:00.000Z",
    language: "pt",
    ...head,
  }));
}
