// What the page of a running loop says beside what it shares with the studio's page.

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
    tryHint: "Or drop or paste one anywhere: you see its answer, and nothing is kept.",
    away: AWAY,
    awayTriedAgain: `${AWAY} It is tried again by itself.`,
  },
};
