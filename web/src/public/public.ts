// The scripts of the public pages. They improve what the server has made, which does without them.

import { pollPage } from "./poll-page.ts";
import { receiptPage } from "./receipt-page.ts";

const main = document.querySelector("main");
if (main?.dataset["poll"]) pollPage(main);
else if (main?.dataset["receipt"]) receiptPage(main);
