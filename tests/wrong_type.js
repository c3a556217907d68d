/** @type {number} */
export const label = "cup";
