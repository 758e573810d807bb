const greeting = "Guten Tag";
module.exports = { greeting };
