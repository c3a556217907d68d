// The page's texts, before anything else of it is loaded.

import { fillTexts } from "/page/fill_texts.js";
import { texts } from "./texts.js";

fillTexts(texts);
