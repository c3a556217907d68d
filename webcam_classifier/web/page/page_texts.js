// Fill in the page's texts before anything else is loaded.

import { fillTexts } from "./fill_texts.js";
import { texts } from "./texts.js";

fillTexts(texts);
