#!/usr/bin/env bash
# npm ograf 1.2.0, EBU's own types of OGraf version 1: a graphic that answers as the specification says does not compile.
#
# The specification (v1, Web Component Interface, `playAction`): "In case `stepCount` is equal to zero or the `playAction()`
# function is used to transition to the end, the `currentStep` field in the response is `undefined`." The types of the same
# version have `currentStep: number`, required. So a graphic has to choose: the types, and a step that it is not in, or the
# specification, and a cast. (Ours answers as the specification says.)
#
# Seen with ograf 1.2.0 and typescript 5.9.3. Output:
#   at the end, as specified: Type 'undefined' is not assignable to type 'number'.
#   at a step: compiles
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error ograf@1.2.0 typescript@5.9.3 >/dev/null

# compiled STEP: what the compiler says of a `playAction` that answers with this current step.
compiled() {
  cat > graphic.ts <<TS
import type { GraphicsAPI } from "ograf";
export const playAction: GraphicsAPI.Graphic["playAction"] = async () => ({
  statusCode: 200,
  currentStep: $1,
});
TS
  node node_modules/typescript/bin/tsc --noEmit --strict --skipLibCheck --target es2022 --module node16 graphic.ts || true
}

end=$(compiled undefined)
step=$(compiled 0)
found=$(printf '%s\n' "$end" | grep -o "Type 'undefined' is not assignable to type 'number'." | head -n 1 || true)
echo "at the end, as specified: ${found:-${end:-compiles}}"
echo "at a step: ${step:-compiles}"
[ -n "$found" ] && [ -z "$step" ]
