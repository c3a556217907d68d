// The texts of the page of a running loop, besides those it shares with the studio's page.

import { texts as shared } from "/page/texts.js";

const AWAY = "The device can’t be reached.";

export const texts = {
  ...shared,
  watch: {
    title: "What the camera sees",
    picture: "Live picture",
    model: "Model",
    changes: "Latest changes",
    noPicture: "no picture",
    tryHint: "Or drop or paste a picture anywhere to see its answer. Nothing is kept.",
    away: AWAY,
    awayTriedAgain: `${AWAY} Reconnecting automatically.`,
  },
};
