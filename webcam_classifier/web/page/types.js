// The types of the server's messages, for editors and type checkers; there is no code here.

/**
 * @typedef {{name: string, count: number, newest: string[], warning: string | null, key: string | null}} Label
 *
 * @typedef {object} Accuracy
 * @property {number} value 0 to 1
 * @property {number | null} low of the 95 % interval; null where there are too few bursts for one
 * @property {number | null} high
 * @property {number} shown_right share that live shows with the right label
 * @property {number} shown_wrong share that live shows with another label
 * @property {number} shown_unknown share that live shows as unknown
 * @property {number} count snapshots that it was measured on
 * @property {string} rests_on
 * @property {string[]} labels
 * @property {number[][]} confusion [shown][said], counts
 * @property {boolean} [is_current] whether it is about the pictures that there are now
 *
 * @typedef {object} Epoch
 * @property {number} epoch
 * @property {number | null} training_loss
 * @property {number | null} validation_loss
 * @property {number | null} validation_accuracy
 * @property {number} seconds
 *
 * @typedef {object} Job
 * @property {number} id
 * @property {"head" | "finetune" | "export" | "page" | "dataset"} kind
 * @property {"running" | "done" | "failed" | "cancelled"} status
 * @property {number | null} progress 0 to 1
 * @property {string} message
 * @property {Epoch[]} history
 * @property {string | null} error
 *
 * @typedef {{file: string, precision: string, mode?: string, bytes: number, created_at: string, accuracy: number | null}} ModelFile
 *
 * @typedef {{picture_bytes: number, picture_pixels: number, zip_bytes: number, zip_pictures: number}} Limits
 *
 * @typedef {object} Camera
 * @property {"device" | "browser" | "none"} kind
 * @property {string} description
 * @property {string | null} problem why there is no picture
 * @property {boolean} [mirror] whether it looks at a person
 * @property {boolean} live whether pictures come
 * @property {number | null} no_picture_for seconds since the last one was taken; null while they come
 *
 * @typedef {{left: number, top: number, width: number, height: number}} Crop fractions of the sides
 *
 * @typedef {object} State
 * @property {number} version
 * @property {string} dataset
 * @property {string} dataset_folder
 * @property {string} backbone
 * @property {string} runtime
 * @property {Camera} camera
 * @property {"you" | "other" | null} teacher
 * @property {string | null} recording
 * @property {Label[]} labels
 * @property {Crop | null} crop the part of the picture that the data set is about; null is all of it
 * @property {Crop | null} watched_crop the part that what labels the live picture looks at
 * @property {string[]} warnings
 * @property {string | null} [last_skip] why the last frame was not recorded
 * @property {string | null} [problem] what went wrong while saving or learning
 * @property {string | null} [accuracy_advice] what is missing before there is an accuracy
 * @property {number} [viewers] how many look at the page
 * @property {{label: string, count: number} | null} undo
 * @property {number} learnt
 * @property {number} pending
 * @property {Accuracy | null} accuracy
 * @property {Job | null} job
 * @property {ModelFile[]} models
 * @property {boolean} has_report
 * @property {"head" | "model"} watching
 * @property {Limits} [limits]
 * @property {number} unlabelled how many pictures wait for a label
 *
 * @typedef {object} Prediction
 * @property {number} frame
 * @property {string[]} labels
 * @property {number[]} probabilities
 * @property {boolean} unknown
 * @property {number | null} unknown_score above 1 it is unknown
 * @property {number} age_ms
 * @property {number} rate frames a second
 * @property {number} inference_ms
 * @property {number} width
 * @property {number} height
 * @property {HeatMapMessage | null} [heat_map] where the label was found, if the page wants to know
 * @property {RegionAnswer[]} [regions] what each region says; then there are no labels of the whole picture
 *
 * @typedef {{rows: number[][], crop: Crop | null, problem: string | null}} HeatMapMessage rows of
 *   0 to 255 over the crop, or why there are none
 *
 * @typedef {{name: string, label: string, confidence: number, unknown: boolean}} RegionAnswer
 *
 * @typedef {"connecting" | "connected" | "lost" | "refused"} Link
 *
 * @typedef {object} ImportAnswer what would be read in, or was
 * @property {string} tool whose layout it is
 * @property {number} count pictures
 * @property {{name: string, count: number, is_new: boolean}[]} labels
 * @property {number} known pictures that are in the data set already
 * @property {{name: string, reason: string}[]} left_out the first of them
 * @property {number} left_out_count
 * @property {{old: string, new: string}[]} renamed
 * @property {string[]} notes
 *
 * @typedef {object} PictureAnswer what is on a picture that was sent
 * @property {string | null} label "unknown" where it is none of them; null where nothing is taught
 * @property {number | null} confidence
 * @property {string | null} likeliest
 * @property {boolean | null} unknown
 * @property {Record<string, number>} probabilities
 * @property {Record<string, PictureAnswer>} [regions] by their names; then there is no answer of the whole picture
 *
 * @typedef {object} Suspect a snapshot that somebody should look at
 * @property {string} label
 * @property {string} name
 * @property {"label" | "copy" | "quality"} reason
 * @property {string} about the label that it looks like, what it is a copy of, or what is wrong
 * @property {number | null} probability
 *
 * @typedef {object} UnlabelledPicture one that waits for a label
 * @property {string} name
 * @property {string} [reason]
 * @property {string} [guess]
 * @property {number} [confidence]
 *
 * @typedef {{count: number, to: string | null}} UndoableMoves
 *
 * @typedef {object} ReviewAnswer
 * @property {Suspect[]} suspects
 * @property {boolean} is_current
 * @property {UnlabelledPicture[]} unlabelled
 * @property {UndoableMoves | null} undo
 *
 * @typedef {{pictures: [string, string][], unlabelled: string[]}} Chosen
 */

export {};
