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
    away: AWAY,
    awayTriedAgain: `${AWAY} It is tried again by itself.`,
  },
};
