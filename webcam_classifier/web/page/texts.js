// All texts of the page: to translate the page, translate this file. Sentences about the data set,
// the camera and running jobs come from the studio.

const LANGUAGE = "en";

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}

/**
 * The percentage of what was counted: 100 only where it is all of them, and 0 only where it is none.
 * @param {number} share 0 to 1
 */
export function countedPercentage(share) {
  const rounded = Math.round(100 * share);
  return share > 0 && share < 1 ? Math.min(99, Math.max(1, rounded)) : rounded;
}

/** @param {number} count */
export function number(count) {
  return count.toLocaleString(LANGUAGE);
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [several]
 */
export function many(count, one, several = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : several}`;
}

/** @param {number} bytes */
export function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/**
 * Keep a right-to-left name from reordering the words and figures around it.
 *
 * @param {string} name
 */
export function isolated(name) {
  return RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name;
}

const snapshots = (/** @type {number} */ count) => many(count, "snapshot");
const pictures = (/** @type {number} */ count) => many(count, "picture");
const labels = (/** @type {number} */ count) => many(count, "label");

export const texts = {
  language: LANGUAGE,
  undo: "Undo",
  close: "Close",
  cancel: "Cancel",
  unknown: "unknown",

  top: {
    title: "Teach a camera",
    skip: "Skip to the live picture",
    letOthers: "Let others teach",
    teachHere: "Teach here",
    youTeach: "You teach",
    otherTeaches: "Someone else is teaching",
  },

  link: {
    connecting: "Connecting…",
    connected: "Connected",
    lost: "Reconnecting…",
    refused: "Access refused",
    away: "The studio can’t be reached.",
    awayTriedAgain:
      "The studio can’t be reached. Reconnecting automatically; nothing that was recorded is lost.",
    awayDoAgain: "The studio can’t be reached. Try this again once the page has reconnected.",
    oldLink: "This link is no longer valid. Open the one that studio.py printed.",
    answered: (/** @type {number} */ status) =>
      `The studio answered with error ${status}. Try again.`,
  },

  gather: {
    title: "Gather",
    steps: {
      add: "Add a label",
      addWords: "for each thing to recognise, such as a cup and a pen.",
      hold: "Hold its button",
      holdWords: "for a second or two while you show the thing and turn it a little.",
      watch: "Watch the answer:",
      watchWords: "with two labels recorded, it says what it sees.",
    },
    newLabelName: "Name of a new label",
    newLabel: "New label",
    addLabel: "Add label",
    importZip: "Import a zip",
    labelVideo: "Label a video",
    importHint:
      "A zip from Teachable Machine, Edge Impulse, Roboflow or Lobe, or one with a folder for each label. You can also drop it here, or a video, or drop pictures on a label.",
    undoSnapshots: (/** @type {number} */ count) => `Undo ${snapshots(count)}`,
    undoOf: (/** @type {string} */ label) => `Of ${isolated(label)}`,
    undone: (/** @type {number} */ count, /** @type {string} */ label) =>
      `Removed the last ${snapshots(count)} of ${isolated(label)}.`,
    recorded: (/** @type {string} */ label, /** @type {number} */ taken, /** @type {number} */ all) =>
      `${isolated(label)}: ${taken > 0 ? `${snapshots(taken)} recorded, ` : ""}${number(all)} in all`,
  },

  card: {
    none: "No snapshots yet: hold the button below",
    snapshots,
    snapshotsAfter: (/** @type {number} */ count) => (count === 1 ? "snapshot" : "snapshots"),
    hold: "Hold to record",
    recording: "Recording",
    orHold: (/** @type {string} */ key) => `or hold ${key}`,
    edit: "Edit",
    drop: (/** @type {string} */ label) => `Drop pictures for ${isolated(label)}`,
  },

  teach: {
    title: "Teach",
    answers: "Answers",
    delay: "Delay",
    rate: "Rate",
    milliseconds: (/** @type {number} */ value) => `${value} ms`,
    perSecond: (/** @type {number} */ value) => `${value} / s`,
    notYet: "not yet",
    notMeasured: "not measured yet",
    unlike: "unlike your snapshots",
    similar: "similar to your snapshots",
  },

  picture: {
    live: "The camera’s picture",
    last: "The camera’s last picture, from before it stopped",
    gone: (/** @type {string} */ reason) => `No picture. ${reason}`,
    back: "The picture is back",
    noneFor: (/** @type {number} */ seconds) => `No picture for ${duration(seconds)}`,
    sees: (/** @type {string} */ label) => `Sees ${isolated(label)}`,
    sure: "sure",
    notSure: "not sure",
    perhaps: (/** @type {string} */ label) => `perhaps ${isolated(label)}`,
    heatMap: "Heat map",
    heatMapHint: "Show where in the picture the label is found",
    perhapsTeach: (/** @type {string} */ label, /** @type {number} */ key) =>
      `perhaps ${isolated(label)}; hold ${key} if so`,
    recording: (
      /** @type {string} */ label,
      /** @type {number} */ count,
      /** @type {string} */ skipped,
    ) => `Recording ${isolated(label)}: ${snapshots(count)}${skipped ? `, ${skipped}` : ""}`,
  },

  guide: {
    off: "The camera is off",
    offText: "Start the device’s camera, or choose this browser’s below.",
    noPicture: "No picture yet",
    waiting: "Waiting for the camera…",
    otherTeaches: "Someone is teaching",
    otherText: "Its answers appear here.",
    addLabel: "Add a label to begin",
    addLabelText: "Name a thing to recognise, such as “cup”.",
    learning: "Learning…",
    second: "Add a second label",
    secondText: "It needs at least two labels to choose between.",
    show: (/** @type {string} */ label) => `Show ${isolated(label)} and record it`,
    nowShow: (/** @type {string} */ label) => `Now show ${isolated(label)} and record it`,
    holdButton: "Hold its button for a second or two, and turn it a little.",
    holdButtonOrKey: (/** @type {string} */ key) =>
      `Hold its button, or the key ${key}, for a second or two, and turn it a little.`,
    turn: "Turn it a little",
    letGo: "Let go after a second or two.",
    startCamera: "Start camera",
    useBrowserCamera: "Use this browser’s camera",
  },

  camera: {
    title: "Camera",
    device: "Device camera",
    browser: "This browser’s",
    off: "Off",
    which: "Which of this browser’s cameras",
    numbered: (/** @type {number} */ number) => `Camera ${number}`,
    mirror: "Mirror",
    needsHttps:
      "A browser gives its camera only to pages from https:// or localhost. Use the device’s own, or an SSH tunnel to localhost.",
    gone: "The camera was unplugged, or the permission to use it was withdrawn.",
    notAllowed:
      "The browser was not allowed to use its camera. Allow it beside the address, then choose it again.",
    notFound: "This browser finds no camera. Plug one in, or use the device’s.",
    busy: "Another program is using the camera. Close it, then choose the camera again.",
    failed: (/** @type {string} */ reason) => `The camera can’t be used: ${reason}`,
  },

  part: {
    choose: "Choose a part",
    chooseOther: "Choose another part",
    whole: "Whole picture",
    hint: "Drag over the picture to choose the part that matters, or set it in percent. The rest is ignored.",
    left: "Left",
    top: "Top",
    width: "Width",
    height: "Height",
    use: "Use this part",
    how: "Drag over the picture, or enter the numbers",
    wholeUsed: "The whole picture is used now.",
    partUsed: "Only this part is used now.",
    again: (/** @type {string} */ used, /** @type {number} */ count) =>
      `${used} ${many(count, "snapshot is", "snapshots are")} analysed again.`,
  },

  accuracy: {
    title: "Accuracy",
    learnt: (/** @type {number} */ count) => `${snapshots(count)} learnt`,
    pending: (/** @type {number} */ count) => `${snapshots(count)} still being analysed`,
    measuring: (/** @type {number} */ count) =>
      `It is being measured: ${snapshots(count)} still being analysed.`,
    recordMore:
      "Record each label several times: the accuracy is measured on recordings that were left out.",
    missing: (/** @type {string[]} */ labels) => `Not yet measured: ${labels.map(isolated).join(", ")}`,
    recordMissing: (
      /** @type {number} */ missing,
      /** @type {number} */ share,
      /** @type {number} */ count,
    ) =>
      `Record ${missing === 1 ? "it" : "each"} again, as a new recording. The other labels: ${countedPercentage(share)}\u00a0% of ${snapshots(count)} correct.`,
    percentSign: "%",
    noInterval: "Record each label a few more times to see how certain this is.",
    interval: (/** @type {number} */ low, /** @type {number} */ high) =>
      `Between ${Math.round(100 * low)} and ${percent(high)} on new recordings like these.`,
    measuredOn: (/** @type {number} */ count, /** @type {string} */ rests) =>
      `Measured on ${snapshots(count)}: ${rests}`,
    shares: "Live answers",
    share: (/** @type {number} */ share) => `${countedPercentage(share)}\u00a0%`,
    correct: "correct",
    wrong: "wrong",
  },

  confusion: {
    title: "Confusion matrix",
    words: "Rows: actual. Columns: predicted.",
    cell: (
      /** @type {string} */ actual, /** @type {string} */ predicted,
      /** @type {number} */ count,
    ) => `${isolated(actual)}, predicted as ${isolated(predicted)}: ${number(count)}`,
  },

  use: {
    title: "Use",
    save: "Save model",
    how: "How to train",
    quick: "Quick",
    quickWords: "Trains a classifier on the snapshots, in seconds.",
    finetune: "Fine-tune",
    finetuneWords: "Trains the network’s layers too, in minutes.",
    epochs: "Epochs",
    finetuneAndSave: "Fine-tune and save",
    twoLabels: "Record snapshots of at least two labels first.",
    watch: "Live answers come from",
    watchHead: "Live learning",
    watchModel: "Saved model",
    saveFirst: "Save the model first. Its file appears here.",
    report: "Read the report",
  },

  trying: {
    title: "Try pictures",
    choose: "Choose pictures",
    hint: "Or drop or paste a picture anywhere to see its answer; nothing is recorded. Pictures that you drop on a label are added to it.",
    dropHere: "Drop a picture to see its answer",
    dialogTitle: "Answers to pictures",
    more: "More pictures",
    back: "Back to the live picture",
    nothingRecorded: "Nothing is recorded unless you add it.",
    asking: "Looking…",
    pictureOf: (/** @type {string} */ name) => `The picture ${name}`,
    nothingTaught: "Nothing is trained yet: it needs snapshots of two labels.",
    allLabels: (/** @type {number} */ count) => `All ${labels(count)}`,
    said: (/** @type {string} */ name, /** @type {string} */ answer) => `${name}: ${answer}`,
    sure: (/** @type {string} */ label, /** @type {number} */ share) =>
      `${isolated(label)}, ${percent(share)}`,
    unknown: (/** @type {string} */ label) => `unknown, perhaps ${isolated(label)}`,
    perhaps: (/** @type {string} */ label) => `Perhaps ${isolated(label)}: unlike your snapshots.`,
    notSure: "Not sure.",
    part: "Only the chosen part of each picture is used.",
    thisIs: "This is",
    add: "Add as a snapshot",
    added: (/** @type {string} */ label) =>
      `Added to ${isolated(label)}. Undo on the page takes it back.`,
    noPicture: (/** @type {string} */ name) =>
      `${name} is not a picture. Choose a JPEG, PNG, WebP or BMP file.`,
    most: (/** @type {number} */ count) =>
      `At most ${pictures(count)} are answered at once. Try the others afterwards.`,
    busy: "Close what is open, then try the picture again.",
  },

  job: {
    progress: "Progress",
    titles: {
      head: {
        running: "Saving the model",
        done: "Model saved",
        failed: "The model was not saved",
        cancelled: "Cancelled",
      },
      finetune: {
        running: "Fine-tuning",
        done: "Fine-tuned",
        failed: "Fine-tuning failed",
        cancelled: "Fine-tuning cancelled",
      },
      export: {
        running: "Exporting",
        done: "Exported",
        failed: "The export failed",
        cancelled: "Export cancelled",
      },
      page: {
        running: "Packing the web page",
        done: "Web page ready",
        failed: "The web page was not packed",
        cancelled: "Web page cancelled",
      },
      dataset: {
        running: "Packing the data set",
        done: "Data set ready",
        failed: "The data set was not packed",
        cancelled: "Data set cancelled",
      },
    },
    said: (/** @type {string} */ title, /** @type {string} */ message) => `${title}. ${message}`,
  },

  curves: {
    leftOut: "left-out snapshots",
    training: "training",
    loss: "Loss",
    accuracy: "Accuracy",
    after: (/** @type {string} */ title, /** @type {number} */ epoch, /** @type {string} */ value) =>
      `${title} after epoch ${epoch}: ${value}`,
  },

  download: {
    title: "Download",
    finetuned: "fine-tuned",
    accuracy: (/** @type {number} */ share) => `accuracy ${countedPercentage(share)}\u00a0%`,
    precision: "Another precision",
    int8: "int8: smallest, fastest on processors",
    fp16: "fp16: half the size, for graphics cards",
    fp32: "fp32: full precision",
    export: "Export",
    page: "Web page (zip)",
    pageHint: "The page runs the model in any browser, on a phone too. Unpack it onto a web host.",
    dataset: "Data set (zip)",
  },

  notices: {
    more: (/** @type {number} */ count) => `and ${number(count)} more`,
  },

  label: {
    name: "Name",
    rename: "Rename",
    renamed: (/** @type {string} */ before, /** @type {string} */ name) =>
      `Renamed ${isolated(before)} to ${isolated(name)}.`,
    title: "Snapshots",
    snapshots,
    addPictures: "Add pictures",
    none: "No snapshots yet. Hold the label’s button to record, or add pictures.",
    snapshot: (/** @type {string} */ file) => `Snapshot ${file}`,
    removeSnapshot: (/** @type {string} */ file) => `Remove ${file}`,
    removedTo: (/** @type {string} */ folder) =>
      `What you remove is moved to ${folder}, not deleted.`,
    movedTo: (/** @type {string} */ folder) => `Moved to ${folder}.`,
    remove: "Remove label",
    removeSure: (/** @type {string} */ label) => `Remove ${isolated(label)}?`,
    removeWords: (/** @type {number} */ count, /** @type {string} */ folder) =>
      `${count > 0 ? `Its ${snapshots(count)} are` : "Its folder is"} moved to ${folder}, not deleted: move them back and the label is back.`,
    removed: (/** @type {string} */ label, /** @type {string} */ folder) =>
      `Removed ${isolated(label)}. Its snapshots are in ${folder}.`,
    keep: "Keep",
  },

  review: {
    title: "Review snapshots",
    button: (/** @type {number} */ wrong, /** @type {number} */ unlabelled) => {
      const looks = `${snapshots(wrong)} ${wrong === 1 ? "looks" : "look"} like another label`;
      const parts = [
        ...(wrong > 0 ? [looks] : []),
        ...(unlabelled > 0 ? [`${pictures(unlabelled)} without a label`] : []),
      ];
      return parts.length > 0 ? `Review: ${parts.join(", ")}` : "Review snapshots";
    },
    what: "What to look at",
    keys: "Select with Space. 1 to 9 moves what is selected to that label, Delete removes it, Ctrl+Z undoes.",
    looking: "Looking through them…",
    kinds: {
      label: {
        tab: "Look like another label",
        words:
          "Models that were trained without them predict another label. Often a key was released too late.",
        none: "No snapshot looks like another label.",
      },
      copy: {
        tab: "Near duplicates",
        words: "Nearly the same as another snapshot of their label. They add nothing new.",
        none: "No snapshot is a near duplicate of another.",
      },
      quality: {
        tab: "Blurred or dark",
        words: "Poor pictures to train on.",
        none: "No snapshot is blurred, too dark or too bright.",
      },
      unlabelled: {
        tab: "Unlabelled",
        words: "Kept because the model was unsure about them. Choose a label for each.",
        none: "No picture waits for a label.",
      },
    },
    looksLike: (
      /** @type {string} */ label,
      /** @type {string} */ other,
      /** @type {number | null} */ share,
    ) => `${isolated(label)}, looks like ${isolated(other)}${share === null ? "" : `, ${percent(share)}`}`,
    copyOf: (/** @type {string} */ label) => `${isolated(label)}, nearly the same as another`,
    wrongWith: (/** @type {string} */ label, /** @type {string} */ problem) =>
      `${isolated(label)}, ${problem}`,
    beforeChange: "just before a change",
    guess: (/** @type {string} */ label, /** @type {number} */ share) =>
      `perhaps ${isolated(label)}, ${percent(share)}`,
    all: "Select all",
    none: "Select none",
    to: "Move to",
    toWhich: "Move to…",
    toSuggested: "Move to what each looks like",
    toLabel: (/** @type {string} */ label) => `Move to ${isolated(label)}`,
    move: "Move",
    moveCount: (/** @type {number} */ count) => `Move ${number(count)}`,
    remove: "Remove",
    removeCount: (/** @type {number} */ count) => `Remove ${number(count)}`,
    undoMoving: (/** @type {number} */ count) => `Undo moving ${number(count)}`,
    undoRemoving: (/** @type {number} */ count) => `Undo removing ${number(count)}`,
    moved: (/** @type {number} */ count, /** @type {string} */ label) =>
      `Moved ${pictures(count)} to ${isolated(label)}.`,
    movedToSuggested: (/** @type {number} */ count) =>
      `Moved ${pictures(count)} to what each looks like.`,
    removed: (/** @type {number} */ count) =>
      `Removed ${pictures(count)}. Undo brings them back.`,
    movedBack: (/** @type {number} */ count) => `${pictures(count)} moved back.`,
  },

  importing: {
    sending: "Sending it to the studio…",
    reading: "Looking through it…",
    adding: "Adding the pictures…",
    cancelling: "Stopping…",
    titleOfPictures: (/** @type {number} */ count, /** @type {string} */ label) =>
      `${pictures(count)} for ${isolated(label)}`,
    /** @type {Record<string, string>} what the studio calls a layout, as a person reads it */
    tools: {
      "teach-camera": "Data set of this program",
      "Teachable Machine": "Teachable Machine project",
      "Edge Impulse": "Edge Impulse export",
      Roboflow: "Roboflow export",
      "folders of labels": "A folder for each label",
      "pictures of one label": "",
    },
    found: (/** @type {number} */ count, /** @type {number} */ labelCount) =>
      `${pictures(count)} of ${labels(labelCount)} to add.`,
    nothing: "There is nothing to add.",
    isNew: "new label",
    known: (/** @type {number} */ count) =>
      `${pictures(count)} ${count === 1 ? "is" : "are"} in the data set already.`,
    leftOut: (/** @type {number} */ count) => `${many(count, "file")} left out`,
    renamed: (/** @type {string} */ old, /** @type {string} */ now) =>
      `The label ${isolated(old)} becomes ${isolated(now)}, as it can’t be the name of a folder.`,
    add: (/** @type {number} */ count) => `Add ${pictures(count)}`,
    added: (/** @type {number} */ count, /** @type {number} */ labelCount) =>
      `Added ${pictures(count)} of ${labels(labelCount)}.`,
    busy: "Other files are being imported. Drop these once that is done.",
    needsLabel: "Drop pictures onto the label they belong to.",
    tooLarge: (
      /** @type {string} */ name,
      /** @type {number} */ bytes,
      /** @type {number} */ most,
    ) =>
      `${name} has ${fileSize(bytes)}, and at most ${fileSize(most)} are taken. Send less at once.`,
    allTooLarge: (
      /** @type {number} */ count,
      /** @type {number} */ bytes,
      /** @type {number} */ most,
    ) =>
      `${pictures(count)} have ${fileSize(bytes)}, and at most ${fileSize(most)} are taken. Send less at once.`,
    unreachable: "The studio can’t be reached. Try again.",
  },

  video: {
    play: "Play",
    pause: "Pause",
    back: "One frame back",
    onwards: "One frame on",
    keys: "1 to 9 record, Space plays, ← → step by a frame. While you hold a label, the video plays.",
    noLabels: "Add a label first, then hold its button while the video shows it.",
    stretches: "Recorded from this video",
    noStretches: "Nothing yet.",
    hold: "Hold",
    orKey: (/** @type {string} */ key) => `or ${key}`,
    pictures,
    leftOut: (/** @type {number} */ count, /** @type {string} */ why) =>
      `${number(count)} left out (${why})`,
    stillSending: "sending…",
    takeBack: "Take back",
    takeBackOf: (/** @type {string} */ label, /** @type {string} */ when) => ` ${isolated(label)}, ${when}`,
    tookBack: (
      /** @type {number} */ count,
      /** @type {string} */ label,
      /** @type {string} */ folder,
    ) => `Took back ${pictures(count)} of ${isolated(label)}. They are in ${folder}.`,
    recorded: (/** @type {string} */ label, /** @type {string} */ what) =>
      `${isolated(label)}: ${what} recorded`,
    recordedAll: (/** @type {number} */ count, /** @type {string} */ video) =>
      `Recorded ${pictures(count)} from ${video}.`,
    cantPlay: (/** @type {string} */ video) =>
      `This browser can’t play ${video}. Save it as MP4 (H.264) or WebM, or record it where the studio runs: python collect.py LABEL --no-window --source FILE --every 0.5.`,
    oneVideo: "One video is labelled at a time. Drop it alone, once the one before is closed.",
    noPicture: (/** @type {string} */ video) =>
      `${video} has sound and no picture. Choose another file.`,
  },

  timeline: {
    position: "Position in the video",
    of: (/** @type {string} */ now, /** @type {string} */ end) => `${now} of ${end}`,
  },
};
